"""Back-pressure: new transfers are refused while too many accepted ones are unfinished.

A leg of an accepted transfer is never refused for lack of room; it waits. So the only place to
say "not now" is here, before anything is written.
"""

import time

from payflow.domain.errors import TooManyUnfinished
from payflow.storage.endings import OPEN, UNFINISHED
from payflow.storage.transactions import Collection

COUNT_AGAIN_S = 1.0  # counting 20,000 takes about 10 ms; a second lets in a few hundred too many


class Door:
    """Counts the unfinished transfers, of all processes, at most once a second."""

    def __init__(self, transfers: Collection, limit: int) -> None:
        self._transfers = transfers
        self._limit = limit
        self._counted_at = float("-inf")
        self._is_full = False

    async def check(self) -> None:
        """Let a new transfer in.

        Raises:
            TooManyUnfinished: not now; nothing was written and the key is free.
        """
        if time.monotonic() - self._counted_at > COUNT_AGAIN_S:
            self._counted_at = time.monotonic()
            unfinished = await self._transfers.count_documents(
                UNFINISHED, limit=self._limit, hint=OPEN
            )
            self._is_full = unfinished >= self._limit
        if self._is_full:
            raise TooManyUnfinished
