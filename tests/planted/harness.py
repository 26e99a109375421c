"""Runs named tests in a process of their own, with a bug planted and without."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.planted.planting import PLANTED, Bug, Reach

ROOT = Path(__file__).parents[2]
GREEN, RED = 0, 1  # pytest's exit codes: all passed; some failed. Others are errors of ours
# What waits for an answer that a bug keeps from coming is red after this.
GIVES_UP_AFTER_S = {Reach.UNIT: 60, Reach.WORKFLOW: 60, Reach.STACK: 240}
HANGS = "+++ Timeout +++"  # what pytest-timeout says of a process it ends
STARTS_WITHIN_S = 120  # a loaded machine; a stack takes 5 to 20


@dataclass(frozen=True, slots=True)
class Run:
    """What pytest said of some tests."""

    asked: tuple[str, ...]
    code: int
    output: str

    @property
    def red(self) -> tuple[str, ...]:
        """The tests that failed, in the order of pytest's summary."""
        if HANGS in self.output and len(self.asked) == 1:
            return self.asked
        heads = ("FAILED ", "ERROR ")
        lines = [line for line in self.output.splitlines() if line.startswith(heads)]
        return tuple(line.split(" ", 1)[1].split(" - ", 1)[0] for line in lines)


def run_tests(tests: tuple[str, ...], bug: Bug | None, reach: Reach, folder: Path) -> Run:
    """Run them; a test that hangs is ended and counts as failed."""
    limit_s = GIVES_UP_AFTER_S[reach]
    plugins = ["tests.planted.plugin", "pytest_asyncio.plugin", "pytest_timeout"]
    if reach is Reach.STACK:
        plugins.append("tests.planted.stack_plugin")
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=line"]
    command += ["-p", "no:cacheprovider", *(word for one in plugins for word in ("-p", one))]
    command += ["--noconftest"] if reach is Reach.UNIT else []
    command += [f"--timeout={limit_s}", "--timeout-method=thread", f"--basetemp={folder}", *tests]
    environment = {**os.environ, PLANTED: bug.name if bug else ""}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # a quarter of a second instead of four
    for ours in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PAYFLOW_STORM"):
        environment.pop(ours, None)
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = running.communicate(timeout=limit_s * (len(tests) + 1) + STARTS_WITHIN_S)
    finally:
        with suppress(ProcessLookupError):  # a server that a hanging test has left behind
            os.killpg(running.pid, signal.SIGKILL)
    return Run(tests, running.returncode, output)


def table(caught: dict[Bug, tuple[str, ...]]) -> str:
    """The page that says which bug was caught by which test."""
    rows = [
        f"| {bug.what} | `{bug.name}` | {'<br>'.join(f'`{one}`' for one in red)} |"
        for bug, red in caught.items()
    ]
    return "\n".join([HEAD, *rows]) + "\n"


HEAD = """# Planted bugs

A test that cannot fail proves nothing. Each of these bugs is planted on purpose, in test processes
only (`tests/planted`); `make planted` runs the named tests with it and without it, demands that
they fail and pass, and writes this page.

| bug | module | caught by |
|---|---|---|"""
