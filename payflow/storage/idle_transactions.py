"""End what a dead process left: its open transaction locks every wallet it wrote.

A killed worker's transaction holds its wallets until the server's ``transactionLifetimeLimit``
(10 s here, 60 s by default). Killing its session frees them at once.
"""

import time
from collections.abc import Callable

from bson import Binary
from loguru import logger
from pymongo.read_concern import ReadConcern

from payflow.storage.connection import APP_NAME
from payflow.storage.transactions import Client

_LOCAL = ReadConcern("local")  # the server refuses $currentOp with any other, ours included
IDLE_FOR_S = 1.0  # a live transaction of ours never stands still for so long

_Standing = dict[tuple[Binary, int], int]


class IdleTransactions:
    """Ends the sessions of PayFlow whose transaction stands still from one look to the next.

    The server tells no more than the sum of a transaction's pauses (``timeInactiveMicros``), of
    which a long one that works has many. So two looks are compared, ``IDLE_FOR_S`` apart.
    """

    def __init__(self, client: Client, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._elapsed = elapsed
        self._seen: _Standing = {}
        self._seen_at = -IDLE_FOR_S

    async def look(self) -> int:
        """Look, unless that was less than ``IDLE_FOR_S`` ago; call it while a conflict lasts.

        Returns:
            How many sessions were ended.
        """
        if self._elapsed() - self._seen_at < IDLE_FOR_S:
            return 0
        before, self._seen = self._seen, await self._standing()
        self._seen_at = self._elapsed()
        dead = [key for key, active in self._seen.items() if before.get(key) == active]
        if dead:
            sessions = [{"id": session_id} for session_id, _ in dead]
            await self._client.admin.command({"killSessions": sessions})
            logger.warning("ended {} sessions whose process is gone", len(sessions))
        return len(dead)

    async def _standing(self) -> _Standing:
        """The open transactions that run nothing just now, and how long each has run something."""
        idle = await self._client.get_database("admin", read_concern=_LOCAL).aggregate(
            [
                {"$currentOp": {"idleSessions": True, "allUsers": True}},
                {
                    "$match": {
                        "type": "idleSession",
                        "transaction": {"$exists": True},
                        "$or": [{"appName": APP_NAME}, {"client": {"$exists": False}}],
                    }
                },
                {
                    "$project": {
                        "id": "$lsid.id",
                        "number": "$transaction.parameters.txnNumber",
                        "active": "$transaction.timeActiveMicros",
                    }
                },
            ]
        )
        return {(one["id"], one["number"]): one["active"] async for one in idle}
