"""The posting engine: legs that wait at the same moment become one MongoDB transaction.

A transaction a leg costs 2-3 ms of CPU and collapses when all hit one wallet; a group writes
each wallet once. Only wallets that go on conflicting leave the main lane, all their legs
together, and wait in a lane of their own, so that one locked wallet holds up nobody else.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

from loguru import logger
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from payflow.domain.batch_ledger import ItemsOrder
from payflow.domain.batches import BatchMode
from payflow.domain.crash_points import ITEMS, At, CrashPoint, CrashPoints
from payflow.domain.errors import BooksUnavailable, Trouble
from payflow.domain.ledger import JournalEntry, LegRequest, StepAnswer
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.domain.ports import Clock, Origin
from payflow.domain.transfers import TransferStatus
from payflow.storage.bell import TerminalBell
from payflow.storage.books_collections import BooksCollections
from payflow.storage.idle_transactions import IDLE_FOR_S, IdleTransactions
from payflow.storage.marks import park_transfer
from payflow.storage.memory import Memory
from payflow.storage.posting_group import (
    GuessedSnapshot,
    OriginatedLeg,
    Posted,
    PostingGroup,
    wallet_of,
)
from payflow.storage.posting_items import PostingItems
from payflow.storage.transactions import (
    JITTER_S,
    WriteConflict,
    attempt,
    is_conflict,
    pause,
    raise_translated,
    translate,
    translated,
)
from payflow.storage.uncancelled import safe_to_cancel

T = TypeVar("T")

MAX_GROUP = 200  # legs; a longer transaction makes itself conflict
LINGER_S = 0.002  # under load only: what arrives meanwhile rides along for nothing
TRIES_TOGETHER = 3  # a neighbour's group is over within one or two jitters
LANE_PATIENCE_S = 8.0  # then the legs hear "not yet"; a step's attempt waits 10 s
ITEMS_PATIENCE_S = 20.0  # a batch's items: a transaction of theirs takes up to 10 s
UNBOUND_PATIENCE_S = 2.0  # independent ones: then each goes its own way, past those that wait
# Who claims the wallet first loses one update by a conflict, not a transaction, and may try
# sooner: with two workers on one wallet p99 was 110 ms so, 250 ms with the longer jitter.
CLAIM_JITTER_S = (0.001, 0.006)
SUSPECT_AFTER_S = 0.25  # a neighbour's group holds a wallet for 10 ms, a batch's items for 0.3 s


@dataclass(slots=True, eq=False)
class _Waiting:
    """A leg in the engine, and the answer its callers wait for."""

    leg: OriginatedLeg
    answer: asyncio.Future[StepAnswer]
    wallet_id: str | None = None
    contended: bool = False  # it met a conflict: its wallet is claimed before anything is read


class _LaneTaken(Exception):
    """Some legs of the group touch a wallet that has a lane of its own, or is reserved."""


class PostingEngine:
    """``Books`` over MongoDB, one per process: ``async with`` starts it, leaving drains it."""

    def __init__(
        self,
        books: BooksCollections,
        clock: Clock,
        bell: TerminalBell,
        memory: Memory,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._books = books
        self.points: CrashPoints | None = None  # tests set them; else a point is this one look
        self._client = books.client
        self._clock = clock
        self._bell = bell
        self._observer = observer
        self._recent = memory.transfers
        self._recent_wallets = memory.wallets
        self._group = PostingGroup(books, clock, memory.transfers, memory.wallets)
        self._items = PostingItems(books, clock)
        self._one_order = asyncio.Lock()
        self._reserved: frozenset[str] = frozenset()
        self._held_back: list[_Waiting] = []
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
        async with self._one_order:
            self._closing = True
        self._wake.set()
        while self._tasks:
            await asyncio.wait(self._tasks)

    @safe_to_cancel
    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        """Queue the leg, or join the one of that key that waits or runs already.

        Leaving (a cancelled caller) does not take the leg out of its group.
        """
        if self._closing:
            raise BooksUnavailable
        waiting = self._known.get(leg.key)
        if waiting is None:
            waiting = _Waiting(
                OriginatedLeg(leg, origin, self._observer.traceparent()),
                asyncio.get_running_loop().create_future(),
            )
            waiting.answer.add_done_callback(partial(self._forget, leg.key))
            self._known[leg.key] = waiting
            self._queue.append(waiting)
            self._wake.set()
        return await asyncio.shield(waiting.answer)

    @safe_to_cancel
    async def take_all(
        self, legs: Sequence[LegRequest], origin: Origin, within_s: float
    ) -> list[StepAnswer | None]:
        """Queue them all; None for those that have no answer by then, or none of their own."""
        asked = [asyncio.create_task(self.take(leg, origin)) for leg in legs]
        if asked:
            await asyncio.wait(asked, timeout=within_s)
        for late in asked:
            late.cancel()
        found = await asyncio.gather(*asked, return_exceptions=True)
        return [answer if isinstance(answer, StepAnswer) else None for answer in found]

    async def take_items(self, order: ItemsOrder, origin: Origin) -> None:
        """Post them in one transaction; meanwhile legs on their wallets wait, all others go on."""
        async with self._one_order:
            if self._closing:
                raise BooksUnavailable
            try:
                self._reserved = await self._items.wallets_of(order)
                work = partial(self._post_items, order, origin)
                entries = await self._patiently(
                    partial(attempt, self._client, work),
                    UNBOUND_PATIENCE_S if order.mode is BatchMode.INDEPENDENT else ITEMS_PATIENCE_S,
                )
            except PyMongoError as error:
                raise_translated(error)
            except WriteConflict as error:
                raise BooksUnavailable from error
            finally:
                self._release()
        self._bell.ring(e.transfer for e in entries if e.transfer.status.is_terminal)
        self._observer.posted(entries)

    def _release(self) -> None:
        self._recent_wallets.forget(self._reserved)
        self._reserved = frozenset()
        self._queue.extend(self._held_back)
        self._held_back.clear()
        self._wake.set()

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        """Mark the transfer as needing an operator, unless it went on."""
        await park_transfer(self._books, self._clock, transfer_id, while_in, origin)

    async def knows(self, transfer_id: str) -> bool:
        """Whether the transfer is there, as the majority has it."""
        with translated():
            found = await self._books.transfers.find_one({"_id": transfer_id}, {"_id": 1})
        return found is not None

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
                await self._post(group, in_main_lane=True)
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
            elif waiting.wallet_id in self._reserved:
                self._held_back.append(waiting)
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
        try:
            await self._patiently(partial(self._post, members), LANE_PATIENCE_S)
        except Exception as error:  # the legs' answer, never the engine's end
            await self._fail(members, error)

    async def _patiently(self, work: Callable[[], Awaitable[T]], patience_s: float) -> T:
        """Run it until it meets no conflict; meanwhile end what the dead have left behind."""
        started = time.monotonic()
        idle = IdleTransactions(self._client)
        while True:
            try:
                return await work()
            except Exception as error:  # the caller sorts what is no conflict
                waited_s = time.monotonic() - started
                if not is_conflict(error) or waited_s > patience_s:
                    raise
            if waited_s > SUSPECT_AFTER_S:
                with suppress(PyMongoError):
                    await idle.look()
            await pause(JITTER_S if waited_s > IDLE_FOR_S else CLAIM_JITTER_S)

    async def _post(self, group: list[_Waiting], *, in_main_lane: bool = False) -> None:
        if not group:
            return
        work = partial(self._decide_and_write, group, in_main_lane)
        try:
            with self._observer.posting([waiting.leg.traceparent for waiting in group]):
                posted = await attempt(self._client, work)
                verdict = posted.verdict
                # inside, so that the message to Redis belongs to the trace
                self._bell.ring(
                    e.transfer for e in verdict.entries if e.transfer.status.is_terminal
                )
        except Exception as error:
            if is_conflict(error):
                self._observer.conflicted()
                self._recent_wallets.was_wrong()
            self._recent_wallets.forget(filter(None, (waiting.wallet_id for waiting in group)))
            self._recent.forget(waiting.leg.request.transfer_id for waiting in group)
            for waiting in group:
                waiting.contended = waiting.contended or is_conflict(error)
            raise
        for entry in verdict.entries:
            self._recent.remember(entry.transfer)
        self._recent_wallets.remember(verdict.entries, posted.snapshot)
        if isinstance(posted.snapshot, GuessedSnapshot):
            self._recent_wallets.was_right()
        for waiting, answer in zip(group, verdict.answers, strict=True):
            _resolve(waiting, answer)
        self._observer.posted(verdict.entries)

    async def _decide_and_write(
        self, group: Sequence[_Waiting], in_main_lane: bool, session: AsyncClientSession
    ) -> Posted:
        legs = [waiting.leg for waiting in group]
        contended = sorted({w.wallet_id for w in group if w.contended and w.wallet_id})
        if contended:
            await self._group.claim(contended, session)
        snapshot = await self._group.read(legs, session)
        for waiting in group:
            waiting.wallet_id = wallet_of(waiting.leg.request, snapshot.transfers)
        if in_main_lane and any(self._is_kept_apart(waiting) for waiting in group):
            raise _LaneTaken
        commits = self.points is None
        posted = await self._group.post(legs, snapshot, session, commits=commits)
        if self.points is not None:
            standing = [At(leg.request.leg, leg.request.transfer_id) for leg in legs]
            await self.points.reached(CrashPoint.INSIDE_TRANSACTION, standing)
        return posted

    async def _post_items(
        self, order: ItemsOrder, origin: Origin, session: AsyncClientSession
    ) -> list[JournalEntry]:
        entries = await self._items.post(order, origin, session)
        if self.points is not None:
            await self.points.reached(CrashPoint.INSIDE_TRANSACTION, [At(ITEMS, order.batch_id)])
        return entries

    def _is_kept_apart(self, waiting: _Waiting) -> bool:
        return waiting.wallet_id in self._lanes or waiting.wallet_id in self._reserved

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
