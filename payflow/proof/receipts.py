"""Receipts given out, and the roots they are in sealed, period after period.

Which transfers a period has is decided once, by the one insert of its root: those after the last
root's in the order of the feed, up to the first that ended when the period was over. What gets its
place later is in a later period, whatever time it bears. Any number of sealers may run.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

from payflow.auth.statements import StatementKeys
from payflow.domain import merkle
from payflow.domain.conservation import JOURNAL
from payflow.domain.errors import DocumentUnreadable, NotFound, PayflowError
from payflow.domain.ports import Clock, Page
from payflow.domain.receipt_errors import TransferNotTerminal
from payflow.domain.receipt_ports import Facts, ReceiptStore, SealedRoot, Tile, TransferEnd
from payflow.domain.receipts import (
    Json,
    Period,
    leaf_of,
    period_after,
    period_of,
    receipt_said,
    root_said,
)
from payflow.domain.representation import rfc3339
from payflow.domain.transfers import Transfer
from payflow.observability.unreadable import UNREADABLE

TILE = 256  # leaves, a power of two: a proof reads so many transfers, 5 documents each
ROOTS_AT_ONCE = 400  # a look seals a year of missed days; the next look goes on


class ReceiptNotProvable(PayflowError):
    """The books do not say any more what they said when the root was sealed."""

    code = DocumentUnreadable.code


async def next_period(
    store: ReceiptStore, newest: SealedRoot | None, period_s: int
) -> Period | None:
    """Which period is sealed next; None while no transfer has ended."""
    if newest is not None:
        return period_after(newest.ends_at, period_s)
    first = (await store.ends_after(0, TILE)).readable
    return period_of(first[0].at, period_s) if first else None


class Receipts:
    """Signs receipts and roots.

    ``period_s``: the length of a period, a divisor of a day.
    """

    def __init__(
        self, store: ReceiptStore, keys: StatementKeys, clock: Clock, *, period_s: int
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._period_s = period_s

    async def of(self, transfer: Transfer) -> Json:
        """The transfer's signed receipt, with its proof once its period is sealed.

        Raises:
            TransferNotTerminal: it has not ended. ReceiptNotProvable: the books were altered.
        """
        facts = (await self._store.facts([transfer.id])).get(transfer.id)
        if facts is None and transfer.status.is_terminal:
            raise ReceiptNotProvable(f"the journal does not say how {transfer.id} ended")
        if facts is None:
            raise TransferNotTerminal(transfer.id, transfer.status)
        end = await self._store.end_of(transfer.id)
        root = await self._store.root_over(end.position) if end else None
        if end is None or root is None:
            return self._keys.seal(receipt_said(facts, None, await self._available_after(facts)))
        inclusion = await self._inclusion(end, root, facts)
        return self._keys.seal(receipt_said(facts, inclusion, None))

    async def root(self, date: str) -> Mapping[str, Any]:
        """A period's signed root by its name; ``NotFound``."""
        found = await self._store.root(date)
        if found is None:
            raise NotFound("root", date)
        return found

    async def roots(self, limit: int, before: str | None) -> Page[Mapping[str, Any]]:
        """Roots, the newest first."""
        found = await self._store.roots(limit + 1, before)
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1]["date"] if more else None)

    async def seal_due(self) -> int:
        """Seal every period that is over and not sealed; how many there were."""
        for sealed in range(ROOTS_AT_ONCE):
            if not await self._seal_next():
                return sealed
        return ROOTS_AT_ONCE

    async def _available_after(self, facts: Mapping[str, Any]) -> str:
        newest = await self._store.newest_root()
        ended_at = datetime.fromisoformat(facts["transfer"]["completed_at"])
        since = max(ended_at, newest.ends_at) if newest else ended_at
        return rfc3339(period_of(since, self._period_s).due_at)

    async def _inclusion(
        self, end: TransferEnd, root: SealedRoot, facts: Mapping[str, Any]
    ) -> Json:
        if end.position in root.left_out:
            raise ReceiptNotProvable(f"{end.transfer_id} could not be read when it was sealed")
        after = [tile.after_position for tile in root.tiles]
        number = max(n for n, position in enumerate(after) if position < end.position)
        size = min(TILE, root.statement["leaves"] - number * TILE)
        ends = (await self._store.ends_after(after[number], size, root.left_out)).readable
        leaves = await _leaves(ends, await self._facts(ends))
        within = [one.position for one in ends].index(end.position)
        index = number * TILE + within
        nodes = [tile.node for tile in root.tiles]
        path = [*merkle.path(leaves, within), *merkle.path(nodes, number)]
        top = bytes.fromhex(root.statement["root"])
        if not merkle.included(leaf_of(facts), index, root.statement["leaves"], path, top):
            raise ReceiptNotProvable(f"{end.transfer_id} is not as {root.statement['date']} has it")
        return {
            "index": index,
            "path": [one.hex() for one in path],
            "root": dict(root.statement),
        }

    async def _seal_next(self) -> bool:
        newest = await self._store.newest_root()
        period = await next_period(self._store, newest, self._period_s)
        if period is None or self._clock.now() < period.due_at:
            return False
        through = newest.through_position if newest else 0
        left_out: list[int] = []
        tiles, leaves, last = await self._tiles(through, period.end, left_out)
        said = root_said(
            period,
            (through, last),
            leaves,
            merkle.root([tile.node for tile in tiles]),
            newest.statement if newest else None,
        )
        statement = self._keys.seal(said)
        # whoever was first has sealed the same period; the next look goes on from there
        await self._store.keep(
            SealedRoot(statement, period.end, last, tuple(tiles), tuple(left_out))
        )
        return True

    async def _tiles(
        self, through: int, until: datetime, left_out: list[int]
    ) -> tuple[list[Tile], int, int]:
        """The tiles of what ended before, how many leaves, and the last one's position."""
        tiles: list[Tile] = []
        leaves = 0
        while True:
            early, facts = await self._provable(through, until, left_out)
            if early:
                node = merkle.root(await _leaves(early, facts))
                tiles.append(Tile(through, node))
                leaves, through = leaves + len(early), early[-1].position
            if len(early) < TILE:
                return tiles, leaves, through

    async def _provable(
        self, through: int, until: datetime, left_out: list[int]
    ) -> tuple[list[TransferEnd], Mapping[str, Facts]]:
        """The next ends and what receipts of them say, past those that cannot be read."""
        while True:
            ends = await self._store.ends_after(through, TILE, left_out)
            early = list(takewhile(lambda one: one.at < until, ends.readable))
            facts = await self._store.facts([one.transfer_id for one in early])
            lost = [one for one in early if one.transfer_id not in facts]
            if not lost and not ends.unreadable:
                return early, facts
            for one in lost:
                UNREADABLE.note(JOURNAL, one.transfer_id, "its entries do not say how it ended")
            left_out += [*ends.unreadable, *(one.position for one in lost)]

    async def _facts(self, ends: Sequence[TransferEnd]) -> Mapping[str, Facts]:
        facts = await self._store.facts([one.transfer_id for one in ends])
        lost = [one.transfer_id for one in ends if one.transfer_id not in facts]
        if lost:
            raise ReceiptNotProvable(f"the journal has lost how {lost[0]} ended")
        return facts


async def _leaves(ends: Sequence[TransferEnd], facts: Mapping[str, Facts]) -> list[bytes]:
    # in a thread: 256 of them take 30 ms, in which nobody should have to wait
    return await asyncio.to_thread(lambda: [leaf_of(facts[one.transfer_id]) for one in ends])
