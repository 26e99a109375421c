"""How a transfer is written for others: the same object in answers, events and webhooks."""

from datetime import UTC, datetime
from typing import Any

from payflow.domain.transfers import Transfer


def rfc3339(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC with ``Z``, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def transfer_object(transfer: Transfer) -> dict[str, Any]:
    """The transfer as the contract spells it, JSON-ready."""
    failure = transfer.failure
    completed_at = transfer.completed_at
    return {
        "object": "transfer",
        "id": transfer.id,
        "status": transfer.status.value,
        "amount": transfer.money.amount_minor,
        "currency": transfer.money.currency,
        "source_wallet_id": transfer.source_wallet_id,
        "destination_wallet_id": transfer.destination_wallet_id,
        "description": transfer.description,
        "metadata": dict(transfer.metadata),
        "failure": {"code": failure.value, "message": failure.message} if failure else None,
        "refunded": transfer.refunded,
        "needs_attention": transfer.needs_attention,
        "workflow_id": transfer.workflow_id,
        "created_at": rfc3339(transfer.created_at),
        "updated_at": rfc3339(transfer.updated_at),
        "completed_at": rfc3339(completed_at) if completed_at else None,
    }
