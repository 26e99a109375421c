"""The steps of a batch: a range of its items in bulk, or together, or each left to itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from activities.alive import alive
from activities.ledger import origin_of_this, said_if_absent
from payflow.domain.batch_ledger import CANCELLED, STOPPED, ItemsOrder
from payflow.domain.batch_ports import BatchPlan, BatchWork
from payflow.domain.batches import BatchMode
from payflow.domain.errors import BooksUnavailable
from payflow.domain.ledger import REACHES, Leg, LegRequest, Tombstone, leg_from
from payflow.domain.ports import Books, Sagas
from payflow.domain.transfers import TransferStatus
from temporal.policies import BATCH_LEASH_S


@dataclass(frozen=True, slots=True)
class Items:
    """Items ``first <= index < past`` of a batch."""

    batch_id: str
    first: int
    past: int


@dataclass(frozen=True, slots=True)
class ItemsTogether:
    """The same, to be decided in one transaction as the mode says."""

    items: Items
    mode: BatchMode


class BatchActivities:
    """What a batch's story asks for; each may run any number of times."""

    def __init__(self, books: Books, work: BatchWork, sagas: Sagas) -> None:
        self._books = books
        self._work = work
        self._sagas = sagas

    @activity.defn
    async def plan_batch(self, batch_id: str) -> BatchPlan:
        """How the batch is to be carried out."""
        return await self._work.plan(batch_id)

    @activity.defn
    async def take_independent(self, items: Items) -> int:
        """Take the items, each for itself: in one transaction, and leg by leg what is left.

        Returns:
            How many have an unanswered leg.

        Raises:
            BooksUnavailable: none of them had an answer, so it is not an item's own trouble.
        """
        async with alive():
            halt = CANCELLED if await self._work.is_cancelled(items.batch_id) else None
            together = ItemsOrder(
                items.batch_id, BatchMode.INDEPENDENT, items.first, items.past, halt
            )
            try:
                await self._books.take_items(together, origin_of_this())
            except Exception as error:  # whatever it is: each item is asked for under its own keys
                activity.logger.warning("items go one by one: %r", error)
            left = await self._work.unfinished(items.batch_id, items.first, items.past)
            states = {transfer.id: transfer.status for transfer in left}
            late = await self._walk(states, halt)
        if late and len(late) == len(states):
            raise BooksUnavailable
        return len(late)

    @activity.defn
    async def take_together(self, order: ItemsTogether) -> None:
        """Bring the items to their end in one transaction: in order, or all or none."""
        items = order.items
        async with alive():
            halt = await self._halt(items)
            await self._books.take_items(
                ItemsOrder(items.batch_id, order.mode, items.first, items.past, halt),
                origin_of_this(),
            )

    @activity.defn
    async def leave_to_themselves(self, items: Items) -> None:
        """Give each item that has not ended a saga of its own, if it has none that runs."""
        async with alive():
            for item in await self._work.unfinished(items.batch_id, items.first, items.past):
                await self._sagas.start_alone(item)

    @activity.defn
    async def park_batch(self, items: Items) -> None:
        """Say in the books that the batch stands still at the first of these items."""
        for item in (await self._work.unfinished(items.batch_id, items.first, items.past))[:1]:
            await self._books.park(item.id, item.status, origin_of_this())

    @activity.defn
    async def close_batch(self, batch_id: str) -> int:
        """Write the batch's end when all its items have ended; say how many have not."""
        return await self._work.close(batch_id)

    @activity.defn
    async def find_batch(self, batch_id: str) -> bool:
        """Whether the ledger's majority has the batch."""
        return await said_if_absent(f"batch {batch_id}", self._work.knows(batch_id))

    def all(self) -> list[Callable[..., Any]]:
        """Every step, for a worker's list."""
        return [
            self.plan_batch,
            self.take_independent,
            self.take_together,
            self.leave_to_themselves,
            self.park_batch,
            self.close_batch,
            self.find_batch,
        ]

    async def _halt(self, items: Items) -> Tombstone | None:
        if await self._work.is_cancelled(items.batch_id):
            return CANCELLED
        stopped = await self._work.failed_before(items.batch_id, items.first)
        return STOPPED if stopped else None

    async def _walk(self, states: dict[str, TransferStatus], halt: Tombstone | None) -> list[str]:
        """Take everybody's next leg until all have ended; those without an answer are left out."""
        late: list[str] = []
        while legs := list(_next_legs(states, halt)):
            answers = await self._books.take_all(legs, origin_of_this(), BATCH_LEASH_S)
            states = {}
            for leg, answer in zip(legs, answers, strict=True):
                if answer is None:
                    late.append(leg.transfer_id)
                else:
                    states[leg.transfer_id] = REACHES[leg.leg, answer.outcome]
        return late


def _next_legs(states: dict[str, TransferStatus], halt: Tombstone | None) -> Iterable[LegRequest]:
    for transfer_id, status in states.items():
        if (leg := leg_from(status)) is not None:
            yield LegRequest(transfer_id, leg, halt if leg is Leg.DEBIT else None)
