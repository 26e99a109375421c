"""The sweep: an accepted transfer goes on, whatever became of its workflow.

No clock is compared: what did not change between two looks stands still. Starting a workflow
that runs already changes nothing, so any number of sweeps may run.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from payflow.domain.observing import UNOBSERVED, Observer
from payflow.domain.ports import Books, Origin, Sagas, Transfers
from payflow.domain.transfers import Transfer
from payflow.observability.periodic import Failures, each_by_itself, run_periodically

STARTS_AT_ONCE = 16  # a start takes 2-10 ms; more would crowd out new transfers
FLAG_GRACE_S = 60  # after a workflow should have parked by itself


@dataclass(slots=True)
class _Standing:
    sequence: int
    since: float


class Sweep:
    """Looks at every unfinished transfer, again and again."""

    def __init__(
        self,
        transfers: Transfers,
        books: Books,
        sagas: Sagas,
        *,
        park_after_s: int,
        elapsed: Callable[[], float] = time.monotonic,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._elapsed = elapsed
        self._observer = observer
        self._failures = Failures("sweep", observer)
        self._transfers = transfers
        self._books = books
        self._sagas = sagas
        self._flag_after_s = park_after_s + FLAG_GRACE_S
        self._standing: dict[str, _Standing] = {}

    async def run(self, interval_s: float) -> None:
        """Look every ``interval_s`` seconds until cancelled."""
        await run_periodically("sweep", self.look, interval_s, self._observer)

    async def look(self) -> int:
        """Start the saga of every transfer that stood still since the last look.

        Returns:
            How many stood still.
        """
        unfinished = await self._transfers.unfinished()
        seen, now = self._standing, self._elapsed()
        self._standing = {
            transfer.id: _as_before(seen.get(transfer.id), transfer)
            or _Standing(transfer.sequence, now)
            for transfer in unfinished.values()
        }
        still = [t for t in unfinished.values() if self._standing[t.id] is seen.get(t.id)]
        # one start and one flag for all items of a batch: those of its first that stands
        last_wins = sorted(still, key=_place, reverse=True)
        first = {transfer.workflow_id: transfer for transfer in last_wins}
        limit = asyncio.Semaphore(STARTS_AT_ONCE)
        await each_by_itself(
            self._failures, (self._help(transfer, limit) for transfer in first.values())
        )
        return len(still)

    async def _help(self, transfer: Transfer, limit: asyncio.Semaphore) -> None:
        async with limit:
            await self._sagas.start(transfer, None)
            stood_s = self._elapsed() - self._standing[transfer.id].since
            if stood_s > self._flag_after_s and not transfer.needs_attention:
                await self._books.park(transfer.id, transfer.status, Origin())


def _as_before(seen: _Standing | None, transfer: Transfer) -> _Standing | None:
    return seen if seen is not None and seen.sequence == transfer.sequence else None


def _place(transfer: Transfer) -> int:
    return transfer.place.index if transfer.place else 0
