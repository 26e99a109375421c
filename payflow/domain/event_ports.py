"""What the relay, the feed's readers and the webhooks need of each other, as Protocols."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event that has its place in the feed.

    ``position`` rises by one from event to event of the whole system. ``body`` is what a webhook
    subscriber receives and a reader of the feed sees: ``id``, ``type``, ``created_at``,
    ``sequence`` and ``data``. ``audience`` holds the ids of the users who may see it.
    """

    position: int
    body: Mapping[str, Any]
    audience: tuple[str, ...]
    transfer_id: str | None = None
    wallet_id: str | None = None
    # Only this endpoint gets it (a test event); every endpoint of the audience when empty.
    endpoint_id: str | None = None
    traceparent: str | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """The event's own id, ``evt_…``: the same in every copy and every retry."""
        return str(self.body["id"])

    @property
    def created_at(self) -> datetime:
        """When it was committed."""
        return datetime.fromisoformat(str(self.body["created_at"]))

    @property
    def type(self) -> str:
        """What happened, such as ``transfer.completed``."""
        return str(self.body["type"])


class Feed(Protocol):
    """The events in the order the relay gave them, as far as it has come."""

    async def after(
        self,
        position: int,
        *,
        user_id: str | None,
        types: Sequence[str] = (),
        transfer_id: str | None = None,
        limit: int = 100,
    ) -> Sequence[FeedEvent]:
        """The next events after ``position``, oldest first; ``user_id`` None sees everything.

        Raises:
            BooksUnavailable: MongoDB does not answer.
        """
        ...

    async def last_position(self) -> int:
        """The position of the newest event; 0 while there is none."""
        ...


class News(Protocol):
    """What tells the feed's readers that it may be time to look again."""

    async def wait(self, position: int, within_s: float) -> None:
        """Return when there may be events after ``position``, or the time is over.

        It may return for nothing, and it never raises: the feed says what there is.
        """
        ...


class Deliveries(Protocol):
    """Where the relay hands events over to the subscribers."""

    async def schedule(self, events: Sequence[FeedEvent]) -> None:
        """See to it that every endpoint that asks for an event gets it, whatever dies.

        Calling it again with the same events changes nothing: a delivery is identified by its
        event and its endpoint. Returns when all deliveries are on record (not when they arrived).

        Raises:
            BooksUnavailable: MongoDB does not answer; hand the same events over again.
        """
        ...
