"""A batch: many transfers accepted in one call, and what ties their fates together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MAX_ITEMS = 10_000  # accepted in one MongoDB transaction (2 s), an atomic one ended in one (6 s)


class BatchMode(StrEnum):
    """What one item's failure means for the others."""

    INDEPENDENT = "independent"
    STOP_ON_ERROR = "stop_on_error"
    ATOMIC = "atomic"


class BatchStatus(StrEnum):
    """Where a batch stands; ``failed`` is an atomic one that posted nothing."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BatchPlace:
    """Which item of which batch a transfer is; ``index`` counts from 0."""

    batch_id: str
    index: int
    mode: BatchMode

    @property
    def is_bound_to_others(self) -> bool:
        """Whether the item's legs may only be taken together with all the others'."""
        return self.mode is BatchMode.ATOMIC


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How many items there are, and how they stand."""

    total: int
    completed: int = 0
    failed: int = 0

    @property
    def pending(self) -> int:
        """How many have not ended."""
        return self.total - self.completed - self.failed


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as its items stand; ``ended_at`` is when the last of them so far ended."""

    id: str
    owner_id: str
    mode: BatchMode
    counts: BatchCounts
    created_at: datetime
    ended_at: datetime | None = None
    cancelled: bool = False

    @property
    def status(self) -> BatchStatus:
        """Derived from the counts: no write can be missing between the items' end and this."""
        if self.counts.pending:
            return BatchStatus.PROCESSING
        if self.mode is BatchMode.ATOMIC and not self.counts.completed:
            return BatchStatus.FAILED
        return BatchStatus.COMPLETED

    @property
    def completed_at(self) -> datetime | None:
        """When the last item ended; None while one has not."""
        return None if self.counts.pending else self.ended_at


def counts_of(total: int, by_status: Mapping[str, int]) -> BatchCounts:
    """The counts, from how many transfers are in which state."""
    return BatchCounts(total, by_status.get("completed", 0), by_status.get("failed", 0))
