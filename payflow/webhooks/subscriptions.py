"""What subscribers do with their endpoints: made, changed, rotated, tested, replayed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from payflow.domain.event_ports import Feed, FeedEvent
from payflow.domain.ports import Clock, Page
from payflow.domain.users import Principal, Role
from payflow.domain.webhook_errors import EndpointNotEnabled, EventTypeUnknown
from payflow.domain.webhook_ports import Couriers, DeliveryRecords, Endpoints
from payflow.domain.webhooks import (
    ALL_EVENTS,
    CLOCKS_DIFFER_BY,
    EVENT_TYPES,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    delivery_id,
    live_secrets,
    wants,
)
from payflow.settings import Settings
from payflow.webhooks.guard import Guard
from payflow.webhooks.sealing import Sealer
from payflow.webhooks.signing import new_secret, secret_bytes

REPLAYED_AT_ONCE = 1_000  # a call's work; who has more to replay calls again
READ_AT_ONCE = 20_000  # events; a call that finds nothing to replay ends after about two seconds
CARRIED_AT_ONCE = 16
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a subscriber asks for, checked in form; without a secret one is made."""

    url: str
    event_types: Sequence[str]
    description: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay put on its way; ``next_since`` is where to go on, or None."""

    since: datetime
    deliveries: int
    next_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """The ports the service asks."""

    endpoints: Endpoints
    records: DeliveryRecords
    couriers: Couriers
    feed: Feed
    clock: Clock


class Subscriptions:
    """The endpoints of all users; each call is one user's."""

    def __init__(
        self, parts: WebhookParts, guard: Guard, sealer: Sealer, settings: Settings
    ) -> None:
        self._endpoints = parts.endpoints
        self._records = parts.records
        self._couriers = parts.couriers
        self._feed = parts.feed
        self._clock = parts.clock
        self._guard = guard
        self._sealer = sealer
        self._limit = settings.webhook_max_endpoints
        self._overlap = timedelta(seconds=settings.webhook_secret_overlap_s)
        self._keep_for = timedelta(seconds=settings.webhook_keep_s)

    async def create(self, viewer: Principal, wanted: Subscription) -> tuple[Endpoint, str]:
        """A new endpoint and its secret, which is not told again.

        Raises:
            WebhookUrlInvalid, WebhookUrlForbidden, EventTypeUnknown, WebhookSecretInvalid,
            EndpointLimitReached: nothing was written.
        """
        secret = wanted.secret or new_secret()
        key = secret_bytes(secret)
        event_types = checked_types(wanted.event_types)
        await self._guard.check(wanted.url)
        now = self._clock.now()
        new_id = self._endpoints.new_id(now)
        endpoint = Endpoint(
            id=new_id,
            owner_id=viewer.user_id,
            url=wanted.url,
            event_types=event_types,
            created_at=now,
            updated_at=now,
            secrets=(self._sealer.seal(key, new_id),),
            description=wanted.description,
        )
        await self._endpoints.add(endpoint, self._limit)
        return endpoint, secret

    async def get(self, endpoint_id: str, viewer: Principal) -> Endpoint:
        """One endpoint, or ``NotFound``."""
        return await self._endpoints.get(endpoint_id, viewer)

    async def list(self, viewer: Principal, *, limit: int, after: str | None) -> Page[Endpoint]:
        """The viewer's own endpoints, newest first."""
        return await self._endpoints.list(viewer, limit=limit, after=after)

    async def change(
        self, endpoint_id: str, viewer: Principal, changes: dict[str, Any]
    ) -> Endpoint:
        """Set ``url``, ``event_types``, ``description``, or ``status`` to enabled or paused."""
        before = await self._own(endpoint_id, viewer)
        if "event_types" in changes:
            changes = {**changes, "event_types": list(checked_types(changes["event_types"]))}
        if "url" in changes:
            await self._guard.check(changes["url"])
        if not changes:
            return before
        after = await self._endpoints.change(endpoint_id, viewer, changes)
        if "status" in changes:
            await self._records.set_waiting(endpoint_id, after.status)
        return after

    async def remove(self, endpoint_id: str, viewer: Principal) -> None:
        """Delete the endpoint; what it still waits for is cancelled."""
        await self._endpoints.remove(endpoint_id, viewer)
        await self._couriers.wake(await self._records.cancel_pending(endpoint_id))

    async def rotate(
        self, endpoint_id: str, viewer: Principal, secret: str | None
    ) -> tuple[Endpoint, str]:
        """Sign with a new secret from now on, and beside it with the present one for a while."""
        secret = secret or new_secret()
        sealed = self._sealer.seal(secret_bytes(secret), endpoint_id)
        while True:  # two rotations at once: the later one reads again
            endpoint = await self._own(endpoint_id, viewer)
            now = self._clock.now()
            present = replace(live_secrets(endpoint, now)[0], expires_at=now + self._overlap)
            if await self._endpoints.set_secrets(
                endpoint_id, [sealed, present], before=endpoint.secrets
            ):
                return await self._own(endpoint_id, viewer), secret

    async def test(self, endpoint_id: str, viewer: Principal) -> Delivery:
        """Send a test event to the endpoint; the delivery as it sets out."""
        endpoint = await self._enabled(endpoint_id, viewer)
        event = await self._endpoints.announce_test(endpoint)
        await self._records.open([event])
        delivery = await self._records.get(delivery_id(event.id, endpoint.id), viewer)
        await self._couriers.carry(delivery.id, 0)
        return delivery

    async def deliveries(
        self,
        endpoint_id: str,
        viewer: Principal,
        status: DeliveryStatus | None,
        *,
        limit: int,
        after: str | None,
    ) -> Page[Delivery]:
        """The endpoint's deliveries with every attempt, newest first."""
        endpoint = await self._endpoints.get(endpoint_id, viewer)
        return await self._records.list(endpoint.id, status, limit=limit, after=after)

    async def resend(self, delivery_id: str, viewer: Principal) -> Delivery:
        """Put a delivery on its way again, whatever became of it; its attempts begin anew."""
        delivery = await self._records.get(delivery_id, viewer)
        await self._enabled(delivery.endpoint_id, viewer)
        await self._records.reopen([delivery.id], delivery.endpoint_id, only=list(DeliveryStatus))
        reopened = await self._records.get(delivery_id, viewer)
        await self._couriers.carry(delivery.id, 0)
        return reopened

    async def replay(self, endpoint_id: str, viewer: Principal, since: datetime) -> Replay:
        """Send again what has happened since and was never acknowledged.

        Failed and cancelled deliveries set out anew; events the endpoint never had a delivery of,
        because it was disabled, get one. Nothing from before the time deliveries are kept for:
        it is not known any more what of that was acknowledged.
        """
        since = max(since, self._clock.now() - self._keep_for)
        endpoint = await self._enabled(endpoint_id, viewer)
        lost = await self._records.unfulfilled(
            endpoint_id, since, limit=REPLAYED_AT_ONCE + 1, after=None
        )
        again = lost[:REPLAYED_AT_ONCE]
        only = (DeliveryStatus.FAILED, DeliveryStatus.CANCELLED)
        sent = list(await self._records.reopen(again, endpoint_id, only=only))
        next_since = None
        if len(lost) > REPLAYED_AT_ONCE:
            next_since = (await self._records.get(lost[-1], viewer)).created_at
        else:
            missed, next_since = await self._open_missed(endpoint, self._feed, since)
            sent += missed
        # the pick-up comes for the others: a Temporal that is away holds this answer up only once
        await asyncio.gather(*(self._couriers.carry(one, 0) for one in sent[:CARRIED_AT_ONCE]))
        return Replay(since, len(sent), next_since)

    async def _open_missed(
        self, endpoint: Endpoint, feed: Feed, since: datetime
    ) -> tuple[Sequence[str], datetime | None]:
        """Deliveries of events since then that the endpoint has none of, so many in a call."""
        sent: list[str] = []
        read = 0
        position = await _position_before(feed, since - CLOCKS_DIFFER_BY)
        while events := await feed.after(position, user_id=endpoint.owner_id, limit=_PAGE):
            position = events[-1].position
            missed = [event for event in events if _is_missed(event, endpoint, since)]
            alone = [replace(event, endpoint_id=endpoint.id) for event in missed]
            sent += [opened.delivery_id for opened in await self._records.open(alone)]
            read += len(events)
            last_at = _happened_at(events[-1])
            # the next call begins earlier by what clocks differ, so this one goes beyond that
            is_enough = read >= READ_AT_ONCE and last_at > since + CLOCKS_DIFFER_BY
            if len(sent) >= REPLAYED_AT_ONCE or is_enough:
                return sent, last_at
        return sent, None

    async def _own(self, endpoint_id: str, viewer: Principal) -> Endpoint:
        """The viewer's own endpoint; an operator's eye does not rotate or send."""
        return await self._endpoints.get(endpoint_id, Principal(viewer.user_id, Role.USER))

    async def _enabled(self, endpoint_id: str, viewer: Principal) -> Endpoint:
        endpoint = await self._own(endpoint_id, viewer)
        if endpoint.status is not EndpointStatus.ENABLED:
            raise EndpointNotEnabled(endpoint_id, endpoint.status)
        return endpoint


def checked_types(wanted: Sequence[str]) -> tuple[str, ...]:
    """The event types, each once, or ``("*",)``.

    Raises:
        EventTypeUnknown: names the first that there is not.
    """
    unknown = next((one for one in wanted if one not in (ALL_EVENTS, *EVENT_TYPES)), None)
    if unknown is not None:
        raise EventTypeUnknown(unknown)
    return (ALL_EVENTS,) if ALL_EVENTS in wanted else tuple(dict.fromkeys(wanted))


def _happened_at(event: FeedEvent) -> datetime:
    return datetime.fromisoformat(event.body["created_at"])


def _is_missed(event: FeedEvent, endpoint: Endpoint, since: datetime) -> bool:
    return _happened_at(event) >= since and wants(replace(endpoint, created_at=since), event)


async def _position_before(feed: Feed, moment: datetime) -> int:
    """A position that all events from ``moment`` on come after, by halving."""
    low, high = 0, await feed.last_position()
    while low < high:
        middle = (low + high) // 2
        found = await feed.after(middle, user_id=None, limit=1)
        if found and _happened_at(found[0]) < moment:
            low = middle + 1
        else:
            high = middle
    return low
