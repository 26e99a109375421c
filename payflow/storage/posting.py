"""The posting engine: legs that wait at the same moment become one MongoDB transaction.

A transaction a leg costs 2-3 ms of CPU and collapses when all hit one wallet; a group writes
each wallet once. Only wallets that go on conflicting leave the main lane, all their legs
together, and wait in a lane of their own, so that one locked wallet holds up nobody else.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from loguru import logger
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from payflow.domain.errors import BooksUnavailable, Trouble
from payflow.domain.ledger import LegRequest, StepAnswer, Verdict
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.domain.ports import Clock, Origin
from payflow.domain.transfers import TransferStatus
from payflow.storage.bell import TerminalBell
from payflow.storage.books_collections import BooksCollections
from payflow.storage.idle_transactions import end_idle_transactions
from payflow.storage.marks import park_transfer
from payflow.storage.posting_group import OriginatedLeg, PostingGroup, wallet_of
from payflow.storage.transactions import JITTER_S, attempt, is_conflict, pause, translate

MAX_GROUP = 200  # legs; a longer transaction makes itself conflict
LINGER_S = 0.002  # under load only: what arrives meanwhile rides along for nothing
TRIES_TOGETHER = 3  # a neighbour's group is over within one or two jitters
LANE_PATIENCE_S = 8.0  # then the legs hear "not yet"; a step's attempt waits 10 s
# Who claims the wallet first loses one update by a conflict, not a transaction, and may try
# sooner: with two workers on one wallet p99 was 110 ms so, 250 ms with the longer jitter.
CLAIM_JITTER_S = (0.001, 0.006)
DEAD_AFTER_S = 1.0  # conflicts for so long: somebody died holding the wallet


@dataclass(slots=True, eq=False)
class _Waiting:
    """A leg in the engine, and the answer its callers wait for."""

    leg: OriginatedLeg
    answer: asyncio.Future[StepAnswer]
    wallet_id: str | None = None
    contended: bool = False  # it met a conflict: its wallet is claimed before anything is read
    traceparent: str | None = None


class _LaneTaken(Exception):
    """Some legs of the group touch a wallet that waits in a lane of its own."""


class PostingEngine:
    """``Books`` over MongoDB, one per process: ``async with`` starts it, leaving drains it."""

    def __init__(
        self,
        books: BooksCollections,
        clock: Clock,
        bell: TerminalBell,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._books = books
        self._client = books.client
        self._clock = clock
        self._bell = bell
        self._observer = observer
        self._group = PostingGroup(books, clock)
        self._known: dict[str, _Waiting] = {}
        self._queue: deque[_Waiting] = deque()
        self._lanes: dict[str, deque[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        self._spawn(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._wake.set()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        """Queue the leg, or join the one of that key that waits or runs already.

        Leaving (a cancelled caller) does not take the leg out of its group.
        """
        if self._closing:
            raise BooksUnavailable
        waiting = self._known.get(leg.key)
        if waiting is None:
            waiting = _Waiting(
                OriginatedLeg(leg, origin),
                asyncio.get_running_loop().create_future(),
                traceparent=self._observer.traceparent(),
            )
            waiting.answer.add_done_callback(partial(self._forget, leg.key))
            self._known[leg.key] = waiting
            self._queue.append(waiting)
            self._wake.set()
        return await asyncio.shield(waiting.answer)

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        """Mark the transfer as needing an operator, unless it went on."""
        await park_transfer(self._books, self._clock, transfer_id, while_in, origin)

    def _forget(self, key: str, answer: asyncio.Future[StepAnswer]) -> None:
        self._known.pop(key, None)
        if not answer.cancelled():
            answer.exception()  # seen, even when every caller has left

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        while not (self._closing and not self._queue):
            await self._wake.wait()
            if 1 < len(self._queue) < MAX_GROUP:
                await asyncio.sleep(LINGER_S)
            group = [self._queue.popleft() for _ in range(min(MAX_GROUP, len(self._queue)))]
            if not self._queue and not self._closing:
                self._wake.clear()
            if group:
                await self._post_group(group)

    async def _post_group(self, group: list[_Waiting]) -> None:
        tries_left = TRIES_TOGETHER
        while tries_left:
            try:
                await self._post(group, lanes=self._lanes)
            except _LaneTaken:
                group = self._move_to_lanes(group)
            except Exception as error:  # the legs' answer, never the engine's end
                if not is_conflict(error):
                    await self._fail(group, error)
                    return
                tries_left -= 1
                await pause(CLAIM_JITTER_S)
            else:
                return
        await self._divide(group)

    async def _divide(self, group: list[_Waiting]) -> None:
        """Give each wallet's legs one more try of their own; those who conflict get a lane."""
        for members in _by_wallet(group):
            try:
                await self._post(members)
            except Exception as error:  # the legs' answer, never the engine's end
                if is_conflict(error):
                    self._open_lane(members)
                else:
                    await self._fail(members, error)

    def _open_lane(self, members: list[_Waiting]) -> None:
        wallet_id = members[0].wallet_id or members[0].leg.request.transfer_id
        lane = self._lanes.get(wallet_id)
        if lane is None:
            lane = self._lanes[wallet_id] = deque()
            self._spawn(self._serve_lane(wallet_id, lane))
        lane.extend(members)

    def _move_to_lanes(self, group: list[_Waiting]) -> list[_Waiting]:
        stay = []
        for waiting in group:
            if waiting.wallet_id in self._lanes:
                self._open_lane([waiting])
            else:
                stay.append(waiting)
        return stay

    async def _serve_lane(self, wallet_id: str, lane: deque[_Waiting]) -> None:
        try:
            while lane:
                members = [lane.popleft() for _ in range(min(MAX_GROUP, len(lane)))]
                await self._post_patiently(members)
        finally:
            del self._lanes[wallet_id]

    async def _post_patiently(self, members: list[_Waiting]) -> None:
        started = time.monotonic()
        looked_for_the_dead = False
        while True:
            try:
                await self._post(members)
            except Exception as error:  # the legs' answer, never the engine's end
                waited_s = time.monotonic() - started
                if not is_conflict(error) or waited_s > LANE_PATIENCE_S:
                    await self._fail(members, error)
                    return
                if waited_s > DEAD_AFTER_S and not looked_for_the_dead:
                    looked_for_the_dead = True
                    with suppress(PyMongoError):
                        await end_idle_transactions(self._client)
                await pause(JITTER_S if looked_for_the_dead else CLAIM_JITTER_S)
            else:
                return

    async def _post(
        self, group: list[_Waiting], lanes: dict[str, deque[_Waiting]] | None = None
    ) -> None:
        if not group:
            return
        try:
            with self._observer.posting([waiting.traceparent for waiting in group]):
                verdict = await attempt(
                    self._client, partial(self._decide_and_write, group, lanes or {})
                )
                # inside, so that the message to Redis belongs to the trace
                self._bell.ring(
                    e.transfer for e in verdict.entries if e.transfer.status.is_terminal
                )
        except Exception as error:
            if is_conflict(error):
                self._observer.conflicted()
                for waiting in group:
                    waiting.contended = True
            raise
        for waiting, answer in zip(group, verdict.answers, strict=True):
            _resolve(waiting, answer)
        self._observer.posted(verdict.entries)

    async def _decide_and_write(
        self,
        group: Sequence[_Waiting],
        lanes: dict[str, deque[_Waiting]],
        session: AsyncClientSession,
    ) -> Verdict:
        legs = [waiting.leg for waiting in group]
        contended = sorted({w.wallet_id for w in group if w.contended and w.wallet_id})
        if contended:
            await self._group.claim(contended, session)
        snapshot = await self._group.read(legs, session)
        for waiting in group:
            waiting.wallet_id = wallet_of(waiting.leg.request, snapshot.transfers)
        if any(waiting.wallet_id in lanes for waiting in group):
            raise _LaneTaken
        return await self._group.post(legs, snapshot, session)

    async def _fail(self, group: list[_Waiting], error: Exception) -> None:
        """Tell the callers; an error that may be one leg's own is first traced to its leg."""
        trouble = translate(error)
        if isinstance(trouble, Trouble):
            for waiting in group:
                _resolve(waiting, trouble)
        elif len(group) == 1:
            _resolve(group[0], error)
        else:
            logger.warning("a group of {} failed, one by one now: {!r}", len(group), error)
            for waiting in group:
                await self._post_patiently([waiting])


def _by_wallet(group: list[_Waiting]) -> list[list[_Waiting]]:
    parts: dict[str, list[_Waiting]] = {}
    for waiting in group:
        parts.setdefault(waiting.wallet_id or waiting.leg.request.transfer_id, []).append(waiting)
    return list(parts.values())


def _resolve(waiting: _Waiting, answer: StepAnswer | Exception) -> None:
    if waiting.answer.done():
        return
    if isinstance(answer, StepAnswer):
        waiting.answer.set_result(answer)
    else:
        waiting.answer.set_exception(answer)
