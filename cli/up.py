"""``payflow up``: the embedded stack in the foreground, until Ctrl-C or SIGTERM."""

import asyncio
import signal
import time

from rich.console import Console

from cli.apps import Layout
from cli.binaries import require_posix
from cli.configuration import load_settings
from cli.errors import CliError
from cli.open_files import raise_open_files_limit
from cli.reporter import reporter_for
from cli.stack import PORT_NAMES, EmbeddedStack, StackOptions
from cli.supervisor import Reporter
from payflow.settings import Settings


def options_from(settings: Settings, layout: Layout, ports: list[str]) -> StackOptions:
    """What the environment and the command line ask for; each port as ``NAME=NUMBER``."""
    asked = dict(_parsed_port(text) for text in ports)
    if settings.api_port:
        asked.setdefault("api", settings.api_port)
    return StackOptions(
        data_dir=settings.data_dir,
        ports=asked,
        layout=layout,
        namespace=settings.temporal_namespace,
    )


def up(layout: Layout, ports: list[str]) -> None:
    """Run the stack until a signal says stop."""
    require_posix()
    raise_open_files_limit()
    options = options_from(load_settings(), layout, ports)
    reporter = reporter_for(Console())
    asyncio.run(_run(EmbeddedStack(options, reporter), reporter))


async def _run(stack: EmbeddedStack, reporter: Reporter) -> None:
    stop_on_signals(stack)
    begun = time.monotonic()
    try:
        async with stack:
            reporter.say(_welcome(stack, time.monotonic() - begun))
            try:
                await asyncio.Event().wait()
            finally:
                reporter.say("Stopping. Once more stops without waiting for work in hand.")
    except asyncio.CancelledError:
        reporter.say("Stopped.")


def stop_on_signals(stack: EmbeddedStack) -> None:
    """The first signal ends the present task, and so the stack; a second one does not wait."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    is_stopping = False

    def stop() -> None:
        nonlocal is_stopping
        if is_stopping:
            stack.hurry()
        elif task is not None:
            is_stopping = task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)


def _parsed_port(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in PORT_NAMES or not number.isdecimal() or not 0 < int(number) < 65_536:
        raise CliError(f"--port takes NAME=NUMBER, the name one of {', '.join(PORT_NAMES)}.")
    return name, int(number)


def _welcome(stack: EmbeddedStack, seconds: float) -> str:
    where = stack.addresses
    return "\n".join(
        (
            f"PayFlow is ready after {seconds:.1f} s. Ctrl-C stops all of it.",
            f"  API          {where.api_url}/docs",
            f"  Temporal UI  {where.temporal_ui_url}",
            f"  Data, logs   {stack.data_dir}",
        )
    )
