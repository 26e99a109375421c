"""The feed, in memory: the second implementation of its port, and what listens to it."""

import asyncio
from collections.abc import Sequence

from payflow.domain.event_ports import FeedEvent


class InMemoryFeed:
    """``Feed`` and ``News`` in a process."""

    def __init__(self) -> None:
        self.events: list[FeedEvent] = []
        self._grown = asyncio.Event()

    def add(self, event: FeedEvent) -> None:
        self.events.append(event)
        self._grown.set()

    async def after(
        self,
        position: int,
        *,
        user_id: str | None,
        types: Sequence[str] = (),
        transfer_id: str | None = None,
        limit: int = 100,
    ) -> Sequence[FeedEvent]:
        await asyncio.sleep(0)  # as a read does, it lets others go on
        found = [
            event
            for event in self.events
            if event.position > position
            and (user_id is None or user_id in event.audience)
            and (not types or event.type in types)
            and (transfer_id is None or event.transfer_id == transfer_id)
        ]
        return found[:limit]

    async def last_position(self) -> int:
        return self.events[-1].position if self.events else 0

    async def wait(self, position: int, within_s: float) -> None:
        self._grown.clear()
        if await self.last_position() <= position:
            await self._grown.wait()


def event(
    position: int,
    event_type: str = "transfer.debited",
    audience: Sequence[str] = ("usr_ALICE",),
    transfer_id: str | None = None,
) -> FeedEvent:
    """An event for a test."""
    body = {
        "id": f"evt_{position}",
        "type": event_type,
        "sequence": 1,
        "created_at": "2026-01-31T12:00:00.000Z",
        "data": {},
    }
    return FeedEvent(position, body, tuple(audience), transfer_id=transfer_id)
