"""The steps that move a transfer's money: each is one leg in the books, under one key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from loguru import logger
from temporalio import activity
from temporalio.exceptions import ApplicationError

from payflow.domain.attempts import Lane
from payflow.domain.ledger import Leg, LegRequest, SettledOutside, StepAnswer, Tombstone
from payflow.domain.ports import Books, Origin
from payflow.domain.repair_ports import Repairs
from payflow.domain.transfers import TransferStatus


@dataclass(frozen=True, slots=True)
class Step:
    """Which transfer's leg to take."""

    transfer_id: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """Which leg to settle: found is the answer; absent it is voided, or settled outside."""

    transfer_id: str
    leg: Leg
    tombstone: Tombstone | None = None
    outside: SettledOutside | None = None


@dataclass(frozen=True, slots=True)
class Parking:
    """Which transfer to flag, while it is still in the state it was parked in."""

    transfer_id: str
    while_in: TransferStatus


class LedgerActivities:
    """Debit, credit, refund and post, and what an operator's verbs need beside them."""

    def __init__(self, books: Books, repairs: Repairs) -> None:
        self._books = books
        self._repairs = repairs

    @activity.defn
    async def debit(self, step: Step) -> StepAnswer:
        """Take the amount from the source into transit, or record why not."""
        return await self._take(LegRequest(step.transfer_id, Leg.DEBIT))

    @activity.defn
    async def credit(self, step: Step) -> StepAnswer:
        """Bring the amount from transit to the destination, or record why not."""
        return await self._take(LegRequest(step.transfer_id, Leg.CREDIT))

    @activity.defn
    async def refund(self, step: Step) -> StepAnswer:
        """Bring the amount from transit back to the source; nothing can refuse it."""
        return await self._take(LegRequest(step.transfer_id, Leg.REFUND))

    @activity.defn
    async def post(self, step: Step) -> StepAnswer:
        """End the transfer and say so."""
        return await self._take(LegRequest(step.transfer_id, Leg.POST))

    @activity.defn
    async def settle(self, settlement: Settlement) -> StepAnswer:
        """Find what a step in doubt did, or make sure that it never does.

        A program with access to Temporal can schedule this from a workflow of its own, so the act
        it goes back to is read from the database and not believed.
        """
        leg = LegRequest(
            settlement.transfer_id,
            settlement.leg,
            settlement.tombstone,
            outside=settlement.outside,
        )
        if not await self._repairs.authorizes(leg):
            raise ApplicationError(
                f"no act on record allows this settlement of {leg.key}",
                type="act_not_recorded",
            )
        return await self._take(leg)

    @activity.defn
    async def park(self, parking: Parking) -> None:
        """Say in the books that the transfer needs an operator."""
        await self._books.park(parking.transfer_id, parking.while_in, origin_of_this())

    @activity.defn
    async def find_transfer(self, step: Step) -> bool:
        """Whether the ledger's majority has the transfer."""
        return await said_if_absent(
            f"transfer {step.transfer_id}", self._books.knows(step.transfer_id)
        )

    def all(self) -> list[Callable[..., Any]]:
        """Every step, for a worker's list."""
        return [
            self.debit,
            self.credit,
            self.refund,
            self.post,
            self.settle,
            self.park,
            self.find_transfer,
        ]

    async def _take(self, leg: LegRequest) -> StepAnswer:
        return await self._books.take(leg, origin_of_this())


async def said_if_absent(what: str, asking: Awaitable[bool]) -> bool:
    """Whether it is there; what is not ends its workflow, and the log has it."""
    found = await asking
    if not found:
        workflow_id = activity.info().workflow_id
        logger.error("the ledger does not have {}: {} ends itself", what, workflow_id)
    return found


def origin_of_this() -> Origin:
    """Which execution runs here."""
    info = activity.info()
    lane = Lane.FAST
    if not info.is_local:
        lane = Lane.DURABLE if info.schedule_to_close_timeout else Lane.PARKED
    return Origin(info.workflow_id, info.workflow_run_id, info.activity_id, info.attempt, lane)
