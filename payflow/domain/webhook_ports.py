"""What webhooks need from the world, as Protocols owned by those who use them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from payflow.domain.event_ports import FeedEvent
from payflow.domain.ports import Page
from payflow.domain.users import Principal
from payflow.domain.webhooks import (
    Attempt,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Endpoint,
    EndpointStatus,
    SealedSecret,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A delivery that was put on record just now."""

    delivery_id: str
    endpoint_id: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """Pending deliveries nobody has come for: some were never tried, some are between attempts."""

    untried: Sequence[Opened]
    tried: Sequence[str]


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to make one attempt, until it is handed back or its time runs out."""

    endpoint: Endpoint
    delivery: Delivery


class Endpoints(Protocol):
    """Where subscribers want their events. A stranger's endpoint is ``NotFound``."""

    def new_id(self, at: datetime) -> str:
        """A fresh id for an endpoint made at that moment: its secret is sealed to it."""
        ...

    async def add(self, endpoint: Endpoint, limit: int) -> None:
        """Keep a new endpoint, or ``EndpointLimitReached``."""
        ...

    async def get(self, endpoint_id: str, viewer: Principal) -> Endpoint:
        """Read one, if the viewer owns it or is an operator."""
        ...

    async def list(self, viewer: Principal, *, limit: int, after: str | None) -> Page[Endpoint]:
        """The viewer's own endpoints, newest first."""
        ...

    async def change(
        self, endpoint_id: str, viewer: Principal, changes: Mapping[str, Any]
    ) -> Endpoint:
        """Set ``url``, ``event_types``, ``description`` or ``status`` of one's own endpoint."""
        ...

    async def set_secrets(
        self,
        endpoint_id: str,
        secrets: Sequence[SealedSecret],
        *,
        before: Sequence[SealedSecret],
    ) -> bool:
        """Replace the secrets it is signed with, if they are still those of ``before``."""
        ...

    async def remove(self, endpoint_id: str, viewer: Principal) -> None:
        """Forget one's own endpoint."""
        ...

    async def disable(self, endpoint_id: str, reason: DisabledReason) -> bool:
        """Stop delivering, and journal the event that tells the owner, in one transaction.

        Returns:
            False when it was disabled or deleted before.
        """
        ...

    async def announce_test(self, endpoint: Endpoint) -> FeedEvent:
        """Journal a test event for this endpoint alone."""
        ...

    async def sealed_otherwise(self, key_id: str) -> Sequence[Endpoint]:
        """The endpoints with a secret that is not sealed under that key."""
        ...


class DeliveryRecords(Protocol):
    """Deliveries, each on record before anybody tries it."""

    async def open(self, events: Sequence[FeedEvent]) -> Sequence[Opened]:
        """Put a pending delivery on record for each endpoint that wants an event.

        Returns:
            Those that were not on record before and may be tried now.
        """
        ...

    async def reopen(
        self, delivery_ids: Collection[str], endpoint_id: str, *, only: Collection[DeliveryStatus]
    ) -> Sequence[str]:
        """Put deliveries in one of these states on their way again; the ids of those that were."""
        ...

    async def get(self, delivery_id: str, viewer: Principal) -> Delivery:
        """Read one, if the viewer owns it or is an operator; else ``NotFound``."""
        ...

    async def list(
        self, endpoint_id: str, status: DeliveryStatus | None, *, limit: int, after: str | None
    ) -> Page[Delivery]:
        """An endpoint's deliveries, newest first."""
        ...

    async def unfulfilled(
        self, endpoint_id: str, since: datetime, *, limit: int, after: str | None
    ) -> Sequence[str]:
        """The ids of failed and cancelled deliveries of events since then, oldest first."""
        ...

    async def take_turn(self, delivery_id: str) -> Turn | Verdict | None:
        """The right to try it now, or what is to be done instead; None: no place is free."""
        ...

    async def put_off(self, delivery_id: str) -> Verdict:
        """Let a delivery that found no place wait until about one is free."""
        ...

    async def hold(self, turn: Turn) -> None:
        """Keep the turn for longer: its holder is alive and the subscriber has not answered."""
        ...

    async def record(self, turn: Turn, attempt: Attempt, *, again_in: timedelta | None) -> Endpoint:
        """Write the attempt down and hand the turn back; the endpoint as it stands then.

        ``again_in`` None: it was the last one, and the delivery succeeded or failed by it.
        """
        ...

    async def cancel_pending(self, endpoint_id: str) -> Sequence[str]:
        """Cancel what an endpoint that is gone or disabled still waits for; some of their ids."""
        ...

    async def set_waiting(self, endpoint_id: str, status: EndpointStatus) -> None:
        """Hold the pending ones of a paused endpoint back, or make those of a resumed one due."""
        ...

    async def overdue(self, room: Callable[[str], int]) -> Overdue:
        """Pending deliveries nobody has come for; each is told once in a while.

        Args:
            room: how many deliveries that were never tried its caller takes of an endpoint.
        """
        ...


class Attempts(Protocol):
    """One attempt at a delivery."""

    async def attempt(self, delivery_id: str) -> Verdict:
        """Try it if it is due and its endpoint has a place free.

        Raises:
            Trouble: it is not known whether the attempt was recorded; ask again.
        """
        ...

    async def attempt_if_free(self, delivery_id: str) -> Verdict | None:
        """The same, but None when its endpoint has no place free; the record is as it was then."""
        ...


class FirstAttempts(Protocol):
    """Who makes first attempts in this process, each endpoint's in a lane of their own."""

    def room(self, endpoint_id: str) -> int:
        """How many more deliveries the endpoint's lane takes."""
        ...

    def enter(self, opened: Opened) -> None:
        """Try the delivery soon; one that is not tried within its time stays on record."""
        ...


class Couriers(Protocol):
    """What carries a delivery on when its first attempt did not succeed."""

    async def carry(self, delivery_id: str, wait_s: float) -> None:
        """Start the delivery's workflow, or wake the one that runs.

        Never raises: the pick-up starts what could not be started.
        """
        ...

    async def wake(self, delivery_ids: Sequence[str]) -> None:
        """Let running workflows look at their delivery now; starts none, and never raises."""
        ...
