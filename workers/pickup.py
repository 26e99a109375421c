"""The pick-up: a delivery on record gets its attempts, whatever became of who was to make them.

A process killed between record and attempt, a terminated workflow, a Temporal that was away: each
leaves a pending delivery whose time is over. What was never tried joins its endpoint's lane in this
process; what is between two attempts has its workflow started or woken, which changes nothing for
one that runs. Any number of pick-ups may run.
"""

import asyncio

from payflow.domain.observing import UNOBSERVED, Observer
from payflow.domain.webhook_ports import Couriers, DeliveryRecords, FirstAttempts
from payflow.observability.periodic import Failures, each_by_itself, run_periodically

STARTS_AT_ONCE = 16  # a start takes 2-10 ms; more would crowd out new transfers
EVERY_S = 2.0  # a look is one step through an index for each endpoint that waits


class PickUp:
    """Looks for overdue deliveries, again and again."""

    def __init__(
        self,
        records: DeliveryRecords,
        first_attempts: FirstAttempts,
        couriers: Couriers,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._observer = observer
        self._failures = Failures("pick-up", observer)
        self._records = records
        self._first_attempts = first_attempts
        self._couriers = couriers

    async def run(self, interval_s: float = EVERY_S) -> None:
        """Look every ``interval_s`` seconds until cancelled."""
        await run_periodically("pick-up", self.look, interval_s, self._observer)

    async def look(self) -> int:
        """Have every overdue delivery tried or carried on.

        Returns:
            How many there were.
        """
        overdue = await self._records.overdue(self._first_attempts.room)
        for opened in overdue.untried:
            self._first_attempts.enter(opened)
        limit = asyncio.Semaphore(STARTS_AT_ONCE)
        await each_by_itself(self._failures, (self._help(one, limit) for one in overdue.tried))
        return len(overdue.untried) + len(overdue.tried)

    async def _help(self, delivery_id: str, limit: asyncio.Semaphore) -> None:
        async with limit:
            await self._couriers.carry(delivery_id, 0)
