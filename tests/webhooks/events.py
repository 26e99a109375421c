"""Events for the tests, as the relay hands them over, and a feed that holds them in memory."""

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


class InMemoryFeed:
    """``Feed`` in a process."""

    def __init__(self, *events: FeedEvent) -> None:
        self.events = list(events)

    async def after(
        self,
        position: int,
        *,
        user_id: str | None,
        types: Sequence[str] = (),
        transfer_id: str | None = None,
        limit: int = 100,
    ) -> Sequence[FeedEvent]:
        found = [
            one
            for one in self.events
            if one.position > position
            and (user_id is None or user_id in one.audience)
            and (not types or one.type in types)
            and transfer_id in (None, one.transfer_id)
        ]
        return found[:limit]

    async def last_position(self) -> int:
        return max((one.position for one in self.events), default=0)
