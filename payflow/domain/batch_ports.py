"""What the business needs from the store of batches: one Protocol for the door, one for workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from payflow.domain.batches import Batch, BatchMode
from payflow.domain.ports import IdempotencyClaim, Page, TransferOrder, Written
from payflow.domain.transfers import Transfer
from payflow.domain.users import Principal


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What an owner asks for, each item checked in form; the store checks the wallets."""

    owner_id: str
    mode: BatchMode
    items: Sequence[TransferOrder]
    request_id: str | None = None


class Batches(Protocol):
    """Batches as their owners see them."""

    async def accept(self, order: BatchOrder, claim: IdempotencyClaim) -> Written[Batch]:
        """Write the batch, its items' transfers and all their ``:init`` documents, or nothing.

        Raises:
            ItemsRefused, IdempotencyKeyReused: nothing was written and the key is free.
            BooksUnavailable: nothing was written. OutcomeUnknown: repeat with the same key.
        """
        ...

    async def get(self, batch_id: str, viewer: Principal) -> Batch:
        """Read one, if the viewer owns it or is an operator; else ``NotFound``."""
        ...

    async def items(
        self, batch_id: str, viewer: Principal, *, limit: int, after: str | None
    ) -> Page[Transfer]:
        """Its items in order; ``after`` is how many come before the page."""
        ...

    async def cancel(self, batch_id: str, owner: Principal) -> Batch:
        """End the items that have not begun; the batch as it stands then, or ``NotFound``."""
        ...


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What a batch's story needs to know of it."""

    mode: BatchMode
    total: int


class BatchWork(Protocol):
    """Batches as those see them who carry them out."""

    async def plan(self, batch_id: str) -> BatchPlan:
        """How the batch is to be carried out, or ``NotFound``."""
        ...

    async def knows(self, batch_id: str) -> bool:
        """Whether the batch is there, as the majority has it."""
        ...

    async def is_cancelled(self, batch_id: str) -> bool:
        """Whether its owner has cancelled it."""
        ...

    async def unfinished(self, batch_id: str, first: int, past: int) -> list[Transfer]:
        """The items with ``first <= index < past`` that have not ended, in order."""
        ...

    async def failed_before(self, batch_id: str, index: int) -> bool:
        """Whether an item with a smaller index has failed."""
        ...

    async def close(self, batch_id: str) -> int:
        """Write the end of a batch whose items have all ended.

        Returns:
            How many have not.
        """
        ...
