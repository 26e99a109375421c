"""A batch to its documents and back."""

from typing import Any

from payflow.domain.batches import Batch, BatchCounts, BatchMode
from payflow.domain.identifiers import journal_key
from payflow.domain.ports import IdempotencyClaim
from payflow.domain.representation import rfc3339
from payflow.storage.documents import BatchDocument
from payflow.storage.mapping import Fields, claim_fields
from payflow.storage.reading import read_from


def from_batch(batch: Batch, request_id: str | None) -> dict[str, Any]:
    """A new batch as its document."""
    return {
        "_id": batch.id,
        "owner_id": batch.owner_id,
        "mode": batch.mode.value,
        "total": batch.counts.total,
        "cancelled": batch.cancelled,
        "request_id": request_id,
        "created_at": batch.created_at,
        **batch_state(batch),
    }


def batch_state(batch: Batch) -> dict[str, Any]:
    """The fields of a batch that its end changes."""
    return {
        "status": batch.status.value,
        "completed": batch.counts.completed,
        "failed": batch.counts.failed,
        "completed_at": batch.completed_at,
    }


@read_from(BatchDocument)
def to_batch(fields: Fields) -> Batch:
    """A ``batches`` document as the domain knows it; its counts are those of its last write."""
    return Batch(
        id=fields["_id"],
        owner_id=fields["owner_id"],
        mode=BatchMode(fields["mode"]),
        counts=BatchCounts(int(fields["total"]), int(fields["completed"]), int(fields["failed"])),
        created_at=fields["created_at"],
        ended_at=fields["completed_at"],
        cancelled=fields["cancelled"],
    )


def from_batch_acceptance(
    batch: Batch,
    claim: IdempotencyClaim,
    *,
    entry_id: str,
    event_id: str,
    request_id: str | None,
) -> dict[str, Any]:
    """An accepted batch as its ``:init`` document, which holds the idempotency key of the call."""
    return {
        "_id": journal_key(batch.id, "init"),
        "leg": "init",
        "batch_id": batch.id,
        "postings": [],
        "entry_id": entry_id,
        "event": {
            "id": event_id,
            "type": "batch.accepted",
            "sequence": 1,
            "created_at": rfc3339(batch.created_at),
            "data": {
                "object": "batch",
                "id": batch.id,
                "owner_id": batch.owner_id,
                "mode": batch.mode.value,
                "total": batch.counts.total,
                "created_at": rfc3339(batch.created_at),
            },
        },
        "audience": [batch.owner_id],
        "idempotency": claim_fields(claim),
        "request_id": request_id,
        "created_at": batch.created_at,
    }
