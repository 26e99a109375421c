"""``python -m benchmarks``: measures PayFlow against its floor and writes the page."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic

import uvloop

from benchmarks import report
from benchmarks.errors import BenchFailed
from benchmarks.numbers import Circumstances, Measured, read_numbers, write_numbers
from benchmarks.options import FULL, QUICK, SOAK_TRANSFERS, Options
from benchmarks.run import SECTIONS, Run
from cli.configuration import load_settings
from cli.errors import CliError
from cli.folder import DataFolder
from payflow.domain.representation import rfc3339
from payflow.storage.identity import SystemClock

STAGE = "run-"


def main() -> int:
    """Run, write, say where; 1 when a section gave no figures."""
    arguments = _parser().parse_args()
    if arguments.page:
        return _page_of(arguments.page)
    wanted = arguments.only or SECTIONS
    options = _options(arguments)
    folder = DataFolder(load_settings().data_dir / "bench")
    folder.create()
    begun, at = monotonic(), rfc3339(SystemClock().now())
    try:
        with folder.held(), _stage(folder.root) as stage:
            run = Run(options, wanted, stage)
            uvloop.run(_until_stopped(run))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("Stopped; nothing was written.")
        return 1
    except CliError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    it = Circumstances(at, monotonic() - begun, options, run.machine, tuple(arguments.only or ()))
    measured = Measured(run.outcome, it)
    print(f"{it.took_s:.0f} s. Numbers: {write_numbers(measured, folder.root)}")
    if arguments.only:
        print("The page is written by whole runs, or by --page.")
    else:
        report.write_page(measured)
        print(f"Page: {report.PAGE}")
    return 1 if run.failed else 0


def _page_of(paths: Sequence[Path]) -> int:
    try:
        report.write_page(*map(read_numbers, paths))
    except BenchFailed as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Page: {report.PAGE}")
    return 0


@contextmanager
def _stage(beside: Path) -> Iterator[Path]:
    """A folder for the run's stacks, removed at the end; so are those of runs that were killed."""
    for left in beside.glob(f"{STAGE}*"):
        shutil.rmtree(left, ignore_errors=True)
    own = Path(tempfile.mkdtemp(prefix=STAGE, dir=beside))
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


async def _until_stopped(run: Run) -> None:
    """Measure; a SIGTERM leaves through the context managers, so that no server stays behind."""
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await run.measure()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes; claims nothing")
    parser.add_argument("--soak", action="store_true", help="50,000 transfers for the memory rows")
    parser.add_argument("--rounds", type=int, help="turns of each contender")
    parser.add_argument("--seconds", type=float, help="length of a turn")
    parser.add_argument("--past", type=int, help="finished transfers of the long past")
    parser.add_argument("--transfers", type=int, help="transfers of the memory rows")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections, no page")
    parser.add_argument(
        "--page",
        nargs="+",
        type=Path,
        metavar="NUMBERS",
        help="measure nothing: write the page from runs' numbers, the later over the earlier",
    )
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    options = QUICK if arguments.quick else FULL
    if arguments.soak:
        options = replace(options, kind="soak", transfers=SOAK_TRANSFERS)
    names = ("rounds", "seconds", "past", "transfers")
    asked = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    return replace(options, **asked)


if __name__ == "__main__":
    sys.exit(main())
