"""Orders to hold still, written for all processes of a stack, and the notes of who does."""

import asyncio
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from cli.files import write_whole
from payflow.domain.crash_points import CrashPoint
from payflow.storage.crash_points import CLOCKS, FOLDER, NOTES, ORDERS

Hold = tuple[CrashPoint, str, str]  # point, step, subject
Step = tuple[str, str]  # step, subject
LOOK_EVERY_S = 0.01


class NotThere(AssertionError):
    """Somebody did not come to the point at which the fault was to strike."""


class OrderBook:
    """What is ordered of one stack; every change reaches all of its processes at once."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._folder.mkdir(exist_ok=True)
        self._run = ""
        self.fails: set[Step] = set()  # steps that parked transfers wait before

    def begin(self, run: str) -> None:
        """From now on notes are this run's."""
        self._run = run

    def give(
        self, holds: Collection[Hold] = (), *, loses: Collection[Step] = (), once: bool = False
    ) -> None:
        """Hold still here and nowhere else; whoever stands elsewhere goes on."""
        said = {
            "run": self._run,
            "holds": sorted(holds),
            "fails": sorted(self.fails),
            "loses": sorted(loses),
            "once": once,
        }
        write_whole(self._folder / ORDERS, json.dumps(said))

    def set_clocks(self, wrong_s: Mapping[int, float]) -> None:
        """How wrong the clock of each process is, by pid; all others are right."""
        write_whole(self._folder / CLOCKS, json.dumps(wrong_s))

    def pid_at(self, hold: Hold) -> int | None:
        """The process that stands there."""
        point, step, subject = hold
        try:
            note = (self._folder / NOTES / self._run / f"{point}.{step}.{subject}.json").read_text()
        except FileNotFoundError:
            return None
        return int(json.loads(note)["pid"])

    async def all_at(self, holds: Collection[Hold], within_s: float) -> dict[Hold, int]:
        """The processes that stand there, once somebody stands at each.

        Raises:
            NotThere: says where nobody came.
        """
        try:
            async with asyncio.timeout(within_s):
                while None in (found := {hold: self.pid_at(hold) for hold in holds}).values():
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            missing = [" ".join(hold) for hold, pid in found.items() if pid is None]
            raise NotThere(f"nobody came to {', '.join(missing)} within {within_s} s") from None
        return {hold: pid for hold, pid in found.items() if pid is not None}
