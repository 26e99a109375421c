"""Events for the tests, as the relay hands them over."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from payflow.domain.event_ports import FeedEvent
from payflow.domain.identifiers import Prefix
from payflow.domain.representation import rfc3339
from payflow.storage.identity import SystemClock, new_id

_positions = count(1)


def event(
    audience: Sequence[str],
    event_type: str = "transfer.completed",
    *,
    sequence: int = 1,
    at: datetime | None = None,
    transfer_id: str | None = None,
) -> FeedEvent:
    """An event that happened just now, or at ``at``."""
    moment = at or SystemClock().now()
    transfer_id = transfer_id or new_id(Prefix.TRANSFER, moment)
    body = {
        "id": new_id(Prefix.EVENT, moment),
        "type": event_type,
        "created_at": rfc3339(moment),
        "sequence": sequence,
        "data": {"object": "transfer", "id": transfer_id, "amount": 1250, "description": "Zürich"},
    }
    return FeedEvent(next(_positions), body, tuple(audience), transfer_id=transfer_id)
