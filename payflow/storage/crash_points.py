"""Crash points that tests arm through files of the data folder, for all processes of a stack.

``orders.json`` says where to hold still: whoever stands there leaves a note in ``notes`` and stays
for as long as the order stands. ``clocks.json`` says how wrong a process's clock is. Settings open
all of it with ``PAYFLOW_ENV=test`` alone.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from payflow.domain.batch_ledger import ItemsOrder
from payflow.domain.batch_ports import BatchOrder
from payflow.domain.batches import Batch
from payflow.domain.crash_points import ANY, INIT, ITEMS, At, CrashPoint, CrashPoints
from payflow.domain.errors import Trouble
from payflow.domain.ledger import LegRequest, StepAnswer
from payflow.domain.ports import (
    Books,
    Clock,
    IdempotencyClaim,
    Origin,
    TransferOrder,
    Written,
)
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.settings import Settings
from payflow.storage.batches import MongoBatches
from payflow.storage.transfers import MongoTransfers

T = TypeVar("T")

FOLDER, ORDERS, NOTES, CLOCKS = "crash-points", "orders.json", "notes", "clocks.json"
LOOK_EVERY_S = 0.005
STORY_HELD_FOR_S = 1.6  # Temporal takes a workflow's thread for deadlocked after 2 s


class StruckAttempt(Trouble):
    """A test made this attempt fail before it began."""

    code = "struck_attempt"


class AnswerLost(Trouble):
    """A test took the answer away on its way to who had asked."""

    code = "answer_lost"


@dataclass(frozen=True, slots=True)
class Orders:
    """What a test has ordered; ``once``: who comes later to a point where one stands goes on."""

    run: str = ""
    holds: frozenset[tuple[str, str, str]] = frozenset()  # point, step, subject
    fails: frozenset[tuple[str, str]] = frozenset()  # step, subject
    loses: frozenset[tuple[str, str]] = frozenset()
    once: bool = False

    @classmethod
    def parse(cls, said: dict[str, Any]) -> "Orders":
        """The orders as the file has them."""
        return cls(
            run=str(said.get("run", "")),
            holds=frozenset((str(p), str(s), str(w)) for p, s, w in said.get("holds", ())),
            fails=frozenset((str(s), str(w)) for s, w in said.get("fails", ())),
            loses=frozenset((str(s), str(w)) for s, w in said.get("loses", ())),
            once=bool(said.get("once")),
        )

    def hold(self, point: CrashPoint, at: At) -> bool:
        """Whether who stands there holds still."""
        return any((point, at.step, subject) in self.holds for subject in (at.subject, ANY))

    def fail(self, at: At) -> bool:
        """Whether the attempt fails before it begins."""
        return any((at.step, subject) in self.fails for subject in (at.subject, ANY))

    def lose(self, at: At) -> bool:
        """Whether the answer is lost."""
        return (at.step, at.subject) in self.loses


class _Watched(Generic[T]):
    """What a file says; it is read again when another has taken its place."""

    def __init__(self, path: Path, parse: Callable[[dict[str, Any]], T], nothing: T) -> None:
        self._path = path
        self._parse = parse
        self._nothing = nothing
        self._seen: tuple[int, int] | None = None
        self._said = nothing

    def now(self) -> T:
        """What it says at this moment; nothing, where there is no file."""
        try:
            found = self._path.stat()
            if (found.st_ino, found.st_mtime_ns) != self._seen:
                self._said = self._parse(json.loads(self._path.read_text()))
                self._seen = (found.st_ino, found.st_mtime_ns)
        except FileNotFoundError:
            return self._nothing
        return self._said


class FilePoints:
    """The ``CrashPoints`` of one process. It does not hear that an attempt was given up."""

    def __init__(self, folder: Path) -> None:
        self._orders = _Watched(folder / ORDERS, Orders.parse, Orders())
        self._notes = folder / NOTES
        self._watch: asyncio.Task[None] | None = None

    async def reached(self, point: CrashPoint, standing: Collection[At]) -> None:
        """Hold still where something that stands here is to.

        Raises:
            StruckAttempt, AnswerLost: so it was ordered.
        """
        orders = self._orders.now()
        if point is CrashPoint.BEFORE_STEP and any(orders.fail(at) for at in standing):
            raise StruckAttempt("a test lets nobody begin this step")
        held = [at for at in standing if orders.hold(point, at) and self._note(orders, point, at)]
        while any(self._orders.now().hold(point, at) for at in held):
            with suppress(asyncio.CancelledError):  # a zombie is one who does not hear it
                await asyncio.shield(self._next_orders())
        orders = self._orders.now()
        if point is CrashPoint.BEFORE_ACKNOWLEDGEMENT and any(orders.lose(at) for at in standing):
            raise AnswerLost("a test lost this answer")

    def hold(self, point: CrashPoint, at: At) -> None:
        """Hold the thread still; the note of who could not wait any longer is gone."""
        orders = self._orders.now()
        if not orders.hold(point, at) or not self._note(orders, point, at):
            return
        until = time.monotonic() + STORY_HELD_FOR_S
        while self._orders.now().hold(point, at):
            if time.monotonic() > until:
                self._path(orders, point, at).unlink(missing_ok=True)
                return
            time.sleep(LOOK_EVERY_S)

    def _next_orders(self) -> asyncio.Task[None]:
        """Ends with the present orders: all who wait go on together, and are grouped again."""
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._until_changed(self._orders.now()))
        return self._watch

    async def _until_changed(self, orders: Orders) -> None:
        while self._orders.now() is orders:  # noqa: ASYNC110  # another process writes them
            await asyncio.sleep(LOOK_EVERY_S)

    def _note(self, orders: Orders, point: CrashPoint, at: At) -> bool:
        """Say that we stand here; False when another does, and one is enough."""
        path = self._path(orders, point, at)
        if orders.once and path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps({"pid": os.getpid()}))
        unfinished.replace(path)
        return True

    def _path(self, orders: Orders, point: CrashPoint, at: At) -> Path:
        return self._notes / orders.run / f"{point}.{at.step}.{at.subject}.json"


class HoldingBooks:
    """``Books`` whose steps pass a point before they begin and one after their commit."""

    def __init__(self, books: Books, points: CrashPoints) -> None:
        self._books = books
        self._points = points

    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        """Take the leg between its two points."""
        standing = [At(leg.leg, leg.transfer_id)]
        await self._points.reached(CrashPoint.BEFORE_STEP, standing)
        answer = await self._books.take(leg, origin)
        await self._points.reached(CrashPoint.BEFORE_ACKNOWLEDGEMENT, standing)
        return answer

    async def take_all(
        self, legs: Sequence[LegRequest], origin: Origin, within_s: float
    ) -> list[StepAnswer | None]:
        """Legs of a batch that are taken apart pass the point inside their transaction only."""
        return await self._books.take_all(legs, origin, within_s)

    async def take_items(self, order: ItemsOrder, origin: Origin) -> None:
        """Take the items between their two points."""
        standing = [At(ITEMS, order.batch_id)]
        await self._points.reached(CrashPoint.BEFORE_STEP, standing)
        await self._books.take_items(order, origin)
        await self._points.reached(CrashPoint.BEFORE_ACKNOWLEDGEMENT, standing)

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        """Mark the transfer as needing an operator."""
        await self._books.park(transfer_id, while_in, origin)

    async def knows(self, transfer_id: str) -> bool:
        """Whether the transfer is there."""
        return await self._books.knows(transfer_id)


class HoldingTransfers(MongoTransfers):
    """``Transfers`` that pass a point between a transfer's commit and everything after it."""

    def __init__(self, points: CrashPoints, *parts: Any) -> None:  # noqa: ANN401  # passed on
        super().__init__(*parts)
        self._points = points

    async def accept(self, order: TransferOrder, claim: IdempotencyClaim) -> Written[Transfer]:
        """Accept it; at the point it goes by the client's key."""
        written = await super().accept(order, claim)
        await self._points.reached(CrashPoint.BEFORE_ACKNOWLEDGEMENT, [At(INIT, claim.key)])
        return written


class HoldingBatches(MongoBatches):
    """``Batches`` that pass the same point."""

    def __init__(self, points: CrashPoints, *parts: Any, most: int) -> None:  # noqa: ANN401  # passed on
        super().__init__(*parts, most=most)
        self._points = points

    async def accept(self, order: BatchOrder, claim: IdempotencyClaim) -> Written[Batch]:
        """Accept it; at the point it goes by the client's key."""
        written = await super().accept(order, claim)
        await self._points.reached(CrashPoint.BEFORE_ACKNOWLEDGEMENT, [At(INIT, claim.key)])
        return written


@dataclass(frozen=True, slots=True)
class WrongClock:
    """A clock as wrong as the test says for this process."""

    clock: Clock
    wrong_s: Callable[[], dict[str, float]]
    pid: str = field(default_factory=lambda: str(os.getpid()))

    def now(self) -> datetime:
        """The moment that this process takes for the present one."""
        return self.clock.now() + timedelta(seconds=self.wrong_s().get(self.pid, 0))


def points_of(settings: Settings) -> FilePoints | None:
    """The process's points, where the settings open them."""
    return FilePoints(settings.data_dir / FOLDER) if settings.crash_points else None


def clock_of(settings: Settings, clock: Clock) -> Clock:
    """The clock, which tests may set wrong where the settings open the points."""
    if not settings.crash_points:
        return clock
    clocks: _Watched[dict[str, float]] = _Watched(settings.data_dir / FOLDER / CLOCKS, dict, {})
    return WrongClock(clock, clocks.now)
