"""A replay reads so many events in a call, and each call goes further than the one before."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import pytest

from payflow.domain.event_ports import FeedEvent
from payflow.domain.representation import rfc3339
from payflow.domain.users import Principal, Role
from payflow.domain.webhook_ports import Couriers, DeliveryRecords, Endpoints, Opened
from payflow.domain.webhooks import DeliveryStatus, Endpoint, EndpointStatus
from payflow.settings import Settings
from payflow.webhooks import subscriptions
from payflow.webhooks.guard import Guard
from payflow.webhooks.sealing import Sealer
from payflow.webhooks.subscriptions import Subscriptions, WebhookParts
from tests.fakes import START, StandingClock
from tests.fakes_feed import InMemoryFeed, event

ALICE = Principal("usr_ALICE", Role.USER)
ENDPOINT = Endpoint(
    id="whe_1",
    owner_id=ALICE.user_id,
    url="https://example.com/hook",
    event_types=("*",),
    created_at=START,
    updated_at=START,
    secrets=(),
    status=EndpointStatus.ENABLED,
)


class OneEndpoint:
    async def get(self, endpoint_id: str, viewer: Principal) -> Endpoint:
        return ENDPOINT


class AllAcknowledged:
    """Every event has a delivery already: there is nothing to send again."""

    async def unfulfilled(
        self, endpoint_id: str, since: datetime, *, limit: int, after: str | None
    ) -> Sequence[str]:
        return []

    async def reopen(
        self, delivery_ids: Collection[str], endpoint_id: str, *, only: Collection[DeliveryStatus]
    ) -> Sequence[str]:
        return []

    async def open(self, events: Sequence[FeedEvent]) -> Sequence[Opened]:
        return []


class CountingFeed(InMemoryFeed):
    """The feed, which counts what is read of it for a user."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    async def after(
        self,
        position: int,
        *,
        user_id: str | None,
        types: Sequence[str] = (),
        transfer_id: str | None = None,
        limit: int = 100,
    ) -> Sequence[FeedEvent]:
        found = await super().after(position, user_id=user_id, limit=limit)
        self.read += len(found) if user_id else 0
        return found


async def test_a_call_reads_so_many_events_and_the_next_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "READ_AT_ONCE", 1_000)
    feed, clock = CountingFeed(), StandingClock()
    for position in range(1, 5_001):  # an event a second, by pages of 200
        made = event(position)
        at = {"created_at": rfc3339(START + timedelta(seconds=position))}
        feed.add(replace(made, body={**made.body, **at}))
    clock.move(timedelta(seconds=6_000))
    parts = WebhookParts(
        endpoints=cast(Endpoints, OneEndpoint()),
        records=cast(DeliveryRecords, AllAcknowledged()),
        couriers=cast(Couriers, None),
        feed=feed,
        clock=clock,
    )
    service = Subscriptions(
        parts, Guard(allow_private=False), cast(Sealer, None), Settings.model_construct()
    )
    since: datetime | None = START
    calls = []
    while since is not None:
        feed.read = 0
        since = (await service.replay(ENDPOINT.id, ALICE, since)).next_since
        calls.append(feed.read)
    assert max(calls) == 1_000
    assert len(calls) == 6  # each begins a minute before the last one's end: clocks differ
