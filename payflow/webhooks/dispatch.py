"""The first attempt at each delivery, made at once by the process that schedules it.

A lane for each endpoint, so many places in each: what one subscriber keeps waiting waits in its
own lane, and costs nothing but memory. What is not tried soon leaves the lane and stays on record,
where the pick-up finds it; nothing is known here only, so a kill at any moment loses nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from loguru import logger

from payflow.domain.errors import DocumentUnreadable, PayflowError
from payflow.domain.event_ports import FeedEvent
from payflow.domain.webhook_ports import Attempts, Couriers, DeliveryRecords, Opened

AT_ONCE = 256  # requests under way in this process; an endpoint has no more than its places
WAITING = 20_000  # ids held in memory, about 2 MB; more stay on record
PICKED_UP = 256  # so many of one endpoint's that were on record; a quick one takes 100 a second
TRIED_WITHIN_S = 10.0  # then it leaves the lane, and the pick-up comes for it
ASK_AGAIN_S = 0.25  # when all places are another process's
DRAIN_S = 5.0  # a process that stops lets attempts end for so long; then their turns run out


@dataclass(slots=True)
class _Lane:
    """One endpoint's deliveries that wait for their first attempt, each with its last moment."""

    waiting: deque[tuple[str, float]] = field(default_factory=deque)
    busy: int = 0


class Dispatch:
    """The ``Deliveries`` port: puts deliveries on record, then tries them."""

    def __init__(
        self, records: DeliveryRecords, attempts: Attempts, couriers: Couriers, *, places: int
    ) -> None:
        self._records = records
        self._attempts = attempts
        self._couriers = couriers
        self._places = places
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._stopped = False

    async def schedule(self, events: Sequence[FeedEvent]) -> None:
        """See to it that every endpoint that asks for an event gets it, whatever dies."""
        for opened in await self._records.open(events):
            self.enter(opened)

    def room(self, endpoint_id: str) -> int:
        """How many more deliveries that were on record the endpoint's lane takes."""
        lane = self._lanes.get(endpoint_id)
        waiting = len(lane.waiting) if lane else 0
        return 0 if self._stopped else max(0, min(PICKED_UP, WAITING - self._waiting) - waiting)

    def enter(self, opened: Opened) -> None:
        """Try the delivery as soon as its endpoint has a place, if that is soon."""
        if self._stopped or self._waiting >= WAITING:
            return
        lane = self._lanes.setdefault(opened.endpoint_id, _Lane())
        lane.waiting.append((opened.delivery_id, time.monotonic() + TRIED_WITHIN_S))
        self._waiting += 1
        self._widen(opened.endpoint_id, lane)

    async def drain(self) -> None:
        """Take nothing new, let what is under way end, and give up on what does not."""
        self._stopped = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _widen(self, endpoint_id: str, lane: _Lane) -> None:
        """One more at work in the lane, where there is something to do."""
        if lane.waiting and lane.busy < self._places and not self._stopped:
            lane.busy += 1
            task = asyncio.create_task(self._work(endpoint_id, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, endpoint_id: str, lane: _Lane) -> None:
        try:
            while lane.waiting and not self._stopped:
                delivery_id, last_moment = lane.waiting.popleft()
                self._waiting -= 1
                if time.monotonic() >= last_moment:
                    continue
                async with self._room:
                    is_tried = await self._try(delivery_id)
                if is_tried:
                    self._widen(endpoint_id, lane)
                    continue
                lane.waiting.append((delivery_id, last_moment))
                self._waiting += 1
                if lane.busy > 1:
                    return  # fewer places than we are; who holds one goes on
                await asyncio.sleep(ASK_AGAIN_S)
        finally:
            lane.busy -= 1
            if not lane.busy and not lane.waiting:
                self._lanes.pop(endpoint_id, None)

    async def _try(self, delivery_id: str) -> bool:
        """Whether there is no more to do here: False when no place was free."""
        try:
            verdict = await self._attempts.attempt_if_free(delivery_id)
        except DocumentUnreadable:
            pass  # it was counted and logged where it was read
        except PayflowError as error:
            logger.warning("delivery {} not tried, the pick-up will: {!r}", delivery_id, error)
        except Exception:  # one delivery's trouble is not its neighbours'
            logger.exception("delivery {} not tried, the pick-up will", delivery_id)
        else:
            if verdict is None:
                return False
            if verdict.again_in_s is not None:
                await self._couriers.carry(delivery_id, verdict.again_in_s)
        return True


@asynccontextmanager
async def open_dispatch(
    records: DeliveryRecords, attempts: Attempts, couriers: Couriers, *, places: int
) -> AsyncIterator[Dispatch]:
    """A dispatch that is drained on leaving."""
    dispatch = Dispatch(records, attempts, couriers, places=places)
    try:
        yield dispatch
    finally:
        await dispatch.drain()
