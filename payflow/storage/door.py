"""Admission limit: new transfers are refused while too many accepted ones are unfinished.

A step of an accepted transfer is never refused for lack of capacity; it waits. So the only place to
refuse is before anything is written. Of what is admitted one payer has a half at most: an account
cannot take the service from the others, with or without money.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from payflow.domain.errors import TooManyUnfinished
from payflow.storage.endings import OPEN, UNFINISHED
from payflow.storage.transactions import Collection, translated

# Counting 20,000 takes about 10 ms, and 30 by payer. Let in beyond the limits is what all processes
# accept within a second, and the batch that each of the others is writing at that moment.
COUNT_AGAIN_S = 1.0


def share_of(limit: int) -> int:
    """How many of them may be one payer's; a batch of more items can never be admitted."""
    return max(1, limit // 2)


class Door:
    """Counts the unfinished transfers, of all processes and of each payer.

    Single transfers are counted once a second at most, batches each time. Payers are counted when
    there are as many transfers as one of them may have: below it nobody can have too many.
    """

    def __init__(self, transfers: Collection, limit: int) -> None:
        self._transfers = transfers
        self._limit = limit
        self._share = share_of(limit)
        self._counted_at = float("-inf")
        self._unfinished = 0
        self._of_payer: Counter[str] = Counter()  # of those who have their share
        self._written: Counter[str] = Counter()  # items of batches that are being written here

    async def check(self, payer_id: str) -> None:
        """Let a new transfer in.

        Raises:
            TooManyUnfinished: not now; nothing was written and the key is free.
        """
        if time.monotonic() - self._counted_at > COUNT_AGAIN_S:
            self._counted_at = time.monotonic()
            await self._count()
        self._refuse(payer_id, 1)

    @asynccontextmanager
    async def batch(self, payer_id: str, items: int) -> AsyncIterator[None]:
        """Let a new batch in, and count its items until they are written.

        Raises:
            TooManyUnfinished: not now; nothing was written and the key is free.
        """
        with translated():
            await self._count()
            self._of_payer[payer_id] = await self._number({"payer_id": payer_id})
        self._refuse(payer_id, items)
        self._written[payer_id] += items
        try:
            yield
        finally:
            self._written[payer_id] -= items
            if not self._written[payer_id]:
                del self._written[payer_id]
            self._counted_at = float("-inf")  # they are unfinished transfers now

    async def _count(self) -> None:
        self._unfinished = await self._number({})
        of_payer: Counter[str] = Counter()
        if self._unfinished >= self._share:
            groups = [
                {"$match": UNFINISHED},
                {"$group": {"_id": "$payer_id", "number": {"$sum": 1}}},
                {"$match": {"number": {"$gte": self._share}}},
            ]
            async for one in await self._transfers.aggregate(groups, hint=OPEN):
                of_payer[one["_id"]] = one["number"]
        self._of_payer = of_payer

    async def _number(self, more: dict[str, Any]) -> int:
        return await self._transfers.count_documents(
            {**UNFINISHED, **more}, limit=self._limit, hint=OPEN
        )

    def _refuse(self, payer_id: str, new: int) -> None:
        if self._unfinished + self._written.total() + new > self._limit:
            raise TooManyUnfinished
        if self._of_payer[payer_id] + self._written[payer_id] + new > self._share:
            raise TooManyUnfinished(of_payer=True)
