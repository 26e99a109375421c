"""Webhooks as rules: who gets which event, when it is tried again, and when that ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from payflow.domain.event_ports import FeedEvent
from payflow.domain.events import EventType
from payflow.domain.identifiers import Prefix
from payflow.domain.representation import rfc3339

EVENT_TYPES = tuple(kind.value for kind in EventType)
ALL_EVENTS = "*"
TEST_EVENT = EventType.ENDPOINT_TEST.value
DISABLED_EVENT = EventType.ENDPOINT_DISABLED.value

# The gaps between attempts: ten attempts in three days, as Standard Webhooks recommends them.
RETRY_AFTER_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1
MAX_RETRY_AFTER_S = 86_400  # a subscriber may put us off, and not for ever

# An event may bear a time a little before the endpoint's that was made first: two clocks.
CLOCKS_DIFFER_BY = timedelta(seconds=60)

GONE = 410  # the subscriber says: never again
INTERNAL_ERROR = "internal_error"  # of an attempt that failed on our side; nothing was sent

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class EndpointStatus(StrEnum):
    """Whether an endpoint gets events: yes; later; no more."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


class DeliveryStatus(StrEnum):
    """Where a delivery stands; failed ones are the dead letters."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DisabledReason(StrEnum):
    """Why we, not the owner, stopped delivering to an endpoint."""

    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A signing secret as it is kept: encrypted under the key of that id; base64."""

    key_id: str
    sealed: str
    expires_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether deliveries are still signed with it."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where somebody wants their events; ``secrets`` are the newest first.

    ``owner_away``: an operator has deactivated the owner; nothing is sent meanwhile.
    """

    id: str
    owner_id: str
    url: str
    event_types: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    secrets: tuple[SealedSecret, ...] = ()
    description: str | None = None
    status: EndpointStatus = EndpointStatus.ENABLED
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    answered_in_ms: int | None = None  # the last attempt, successful or not
    owner_away: bool = False

    @property
    def is_held(self) -> bool:
        """Whether events are kept for it and not sent."""
        return self.owner_away or self.status is EndpointStatus.PAUSED


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one request: a status code, or an error when there was no answer."""

    at: datetime
    duration_ms: int
    status_code: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after_s: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the subscriber has taken the event: any 2xx."""
        return self.status_code is not None and 200 <= self.status_code < 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint; ``body`` is what is sent, the same at each attempt.

    ``tries`` counts the attempts since it was last put on its way, by the event or by a resend.
    """

    id: str
    event_id: str
    event_type: str
    endpoint_id: str
    owner_id: str
    body: str
    created_at: datetime
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: tuple[Attempt, ...] = ()
    tries: int = 0
    next_attempt_at: datetime | None = None
    traceparent: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done about a delivery: try again in so many seconds, or nothing more."""

    status: DeliveryStatus
    again_in_s: float | None = None


def delivery_id(event_id: str, endpoint_id: str) -> str:
    """The one id a delivery of this event to this endpoint can ever have.

    Shaped like any id of ours: the event's time, then 80 bits of both ids.
    """
    moment = event_id.partition("_")[2][:10]
    bits = int.from_bytes(sha256(f"{event_id}>{endpoint_id}".encode()).digest()[:10])
    tail = "".join(_CROCKFORD[bits >> shift & 31] for shift in range(75, -1, -5))
    return f"{Prefix.DELIVERY}_{moment}{tail}"


def wants(endpoint: Endpoint, event: FeedEvent) -> bool:
    """Whether the event is to be delivered to the endpoint.

    Its owner must be among those who may see it, and it must not be older than the endpoint. A
    test goes to the endpoint it is meant for, whatever that subscribes to.
    """
    if endpoint.owner_id not in event.audience or endpoint.status is EndpointStatus.DISABLED:
        return False
    if event.endpoint_id is not None:
        return event.endpoint_id == endpoint.id
    if not set(endpoint.event_types) & {ALL_EVENTS, event.type}:
        return False
    happened_at = datetime.fromisoformat(event.body["created_at"])
    return happened_at >= endpoint.created_at - CLOCKS_DIFFER_BY


def wait_before_next(
    tries: int, drawn: float, retry_after_s: float | None, pace: float = 1.0
) -> float | None:
    """Seconds until the attempt after ``tries`` of them, or None when there is none.

    Args:
        tries: attempts made so far, at least one.
        drawn: a number from 0 to 1; moves the wait by up to ±10 %.
        retry_after_s: what the subscriber asked for; it can only lengthen the wait, to a day.
        pace: factor on the usual wait, 1 but for rehearsals.
    """
    if tries > len(RETRY_AFTER_S):
        return None
    usual = pace * RETRY_AFTER_S[tries - 1] * (1 - JITTER + 2 * JITTER * drawn)
    return max(usual, min(retry_after_s or 0.0, MAX_RETRY_AFTER_S))


def is_to_be_disabled(
    endpoint: Endpoint, attempt: Attempt, after: timedelta
) -> DisabledReason | None:
    """Why the endpoint is to be disabled after this attempt, or None."""
    if attempt.status_code == GONE:
        return DisabledReason.GONE
    if attempt.succeeded or attempt.error == INTERNAL_ERROR or endpoint.failing_since is None:
        return None
    return DisabledReason.FAILING if attempt.at - endpoint.failing_since >= after else None


def endpoint_object(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint as the contract spells it, without its secrets."""
    return {
        "object": "webhook_endpoint",
        "id": endpoint.id,
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "description": endpoint.description,
        "status": endpoint.status.value,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": rfc3339(endpoint.created_at),
        "updated_at": rfc3339(endpoint.updated_at),
    }


def delivery_object(delivery: Delivery) -> dict[str, Any]:
    """The delivery with every attempt, as the contract spells it."""
    next_at = delivery.next_attempt_at
    return {
        "object": "webhook_delivery",
        "id": delivery.id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "endpoint_id": delivery.endpoint_id,
        "status": delivery.status.value,
        "attempts": [_attempt_object(attempt) for attempt in delivery.attempts],
        "next_attempt_at": rfc3339(next_at) if next_at else None,
        "created_at": rfc3339(delivery.created_at),
    }


def live_secrets(endpoint: Endpoint, now: datetime) -> Sequence[SealedSecret]:
    """The secrets a delivery is signed with now: one, or two during a rotation."""
    return [secret for secret in endpoint.secrets if secret.is_live(now)]


def _attempt_object(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": rfc3339(attempt.at),
        "status_code": attempt.status_code,
        "duration_ms": attempt.duration_ms,
        "error": attempt.error,
        "response": attempt.response,
    }
