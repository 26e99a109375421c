"""Counts the transfers under way, of all processes, from the books."""

import time
from datetime import datetime

from pymongo import DESCENDING

from payflow.domain.observing import Proven, Standing
from payflow.domain.transfers import TransferStatus
from payflow.storage.endings import OPEN, UNFINISHED
from payflow.storage.identity import SystemClock
from payflow.storage.proof_documents import ProofDocument
from payflow.storage.proofs import is_stale
from payflow.storage.reading import Fields, read_from, readable
from payflow.storage.transactions import Collection, translated

COUNT_AGAIN_S = 3.0  # several scrapers, or one that is eager, cost the books no more than this


class MongoCensus:
    """The ``Census`` port: two counts over indexes that hold nothing else, and the last proof."""

    def __init__(self, transfers: Collection, proofs: Collection) -> None:
        self._transfers = transfers
        self._proofs = proofs
        self._counted_at = float("-inf")
        self._standing = Standing({}, 0)

    async def count(self) -> Standing:
        """The numbers, at most ``COUNT_AGAIN_S`` seconds old."""
        if time.monotonic() - self._counted_at > COUNT_AGAIN_S:
            with translated():
                self._standing = await self._ask()
            self._counted_at = time.monotonic()
        return self._standing

    async def _ask(self) -> Standing:
        found = await self._transfers.aggregate(
            [{"$match": UNFINISHED}, {"$group": {"_id": "$status", "count": {"$sum": 1}}}],
            hint=OPEN,
        )
        in_flight = {status: 0 for status in TransferStatus if not status.is_terminal}
        async for group in found:
            if group["_id"] in in_flight:  # whoever else reads the others says that they are wrong
                in_flight[TransferStatus(group["_id"])] = int(group["count"])
        parked = await self._transfers.count_documents({"needs_attention": True})
        return Standing(in_flight, parked, await last_proof(self._proofs))


async def last_proof(proofs: Collection) -> Proven | None:
    """The last proof, with its ages by this machine's clock; None while there is none."""
    kept = await proofs.find_one({}, sort=[("_id", DESCENDING)])
    return next(iter(readable(_proven, [kept] if kept else [])), None)


@read_from(ProofDocument)
def _proven(kept: Fields) -> Proven:
    statement, now = kept["statement"], SystemClock().now()
    oldest = statement["oldest_in_transit"]
    since = datetime.fromisoformat(oldest["since"]) if oldest else now
    return Proven(
        status=statement["status"],
        violations=len(statement["violations"]),
        transfers=statement["transfers_checked"],
        age_s=max(0.0, (now - kept["at"]).total_seconds()),
        is_stale=is_stale(statement, now),
        oldest_in_transit_s=max(0.0, (now - since).total_seconds()),
    )
