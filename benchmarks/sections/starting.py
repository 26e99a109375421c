"""How long ``make up`` takes from the command to the stack that answers."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import monotonic

from benchmarks.errors import BenchFailed
from benchmarks.figures import Mark, Row
from benchmarks.options import Options
from benchmarks.outcome import Outcome
from cli.folder import DataFolder

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.01
MAKE = ("make", "--silent", "up")


async def measure(options: Options, folder: Path) -> Outcome:
    """Start and stop the stack several times; the first start meets an empty folder."""
    took_s = [await _start_and_stop(folder) for _ in range(options.starts)]
    row = Row(
        "start",
        f"`{' '.join(_command()[-2:])}` on a warm machine: start to ready",
        tuple(took_s),
        Mark(15, 6, more_is_better=False),
        _in_words(took_s),
        unit="s",
    )
    return Outcome([row], raw={"start": {"seconds": took_s}})


def _in_words(took_s: list[float]) -> str:
    first = f"the first, on an empty folder, {took_s[0]:.1f} s"
    return f"{first}; those after it {median(took_s[1:]):.1f} s" if took_s[1:] else first


def _command() -> tuple[str, ...]:
    """``make up`` where it runs this very environment; else what it comes to."""
    is_ours = Path(sys.prefix) == ROOT / ".venv"
    return MAKE if is_ours else (sys.executable, "-m", "cli.main", "up")


async def _start_and_stop(folder: Path) -> float:
    begun = monotonic()
    process = await asyncio.create_subprocess_exec(
        *_command(),
        cwd=ROOT,
        env={**os.environ, "PAYFLOW_DATA_DIR": str(folder), "PAYFLOW_API_PORT": "0"},
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return await _ready_after(process, DataFolder(folder), begun)
    finally:
        # make and what it runs are one group; the servers have their own and are stopped by it
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
        await DataFolder(folder).clear_leftovers()


async def _ready_after(
    process: asyncio.subprocess.Process, folder: DataFolder, begun: float
) -> float:
    while monotonic() - begun < READY_WITHIN_S:
        if folder.published() is not None:
            return monotonic() - begun
        if process.returncode is not None:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    raise BenchFailed("the stack did not come up")
