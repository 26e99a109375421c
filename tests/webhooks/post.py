"""A post office for the tests: the webhooks' real parts over the stack's MongoDB and Temporal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook

from cli.stack import EmbeddedStack
from payflow.domain.event_ports import Feed
from payflow.domain.users import Principal, Role
from payflow.domain.webhook_ports import Attempts
from payflow.domain.webhooks import Delivery, DeliveryStatus, Endpoint
from payflow.settings import Environment, Settings
from payflow.storage.factory import Storage, open_storage
from payflow.webhooks.dispatch import Dispatch
from payflow.webhooks.guard import Guard
from payflow.webhooks.sealing import load_sealer
from payflow.webhooks.subscriptions import Subscription, Subscriptions, WebhookParts
from temporal.client import connect
from temporal.couriers import TemporalCouriers
from temporal.sagas import TemporalSagas
from tests.webhooks.receivers import Receiver, Request
from workers.webhooks import open_attempts, open_deliveries


@dataclass
class Post:
    """Everything a subscriber and the relay touch."""

    settings: Settings
    storage: Storage
    couriers: TemporalCouriers
    subscriptions: Subscriptions
    attempts: Attempts
    dispatch: Dispatch

    async def endpoint(self, owner: Principal, url: str, *event_types: str) -> tuple[Endpoint, str]:
        """A new endpoint and its secret."""
        return await self.subscriptions.create(owner, Subscription(url, event_types or ("*",)))

    async def delivered(
        self,
        endpoint: Endpoint,
        owner: Principal,
        *,
        status: DeliveryStatus = DeliveryStatus.SUCCEEDED,
        count: int = 1,
        within_s: float = 20,
    ) -> list[Delivery]:
        """The endpoint's deliveries of that status, as soon as there are so many."""
        async with asyncio.timeout(within_s):
            while True:
                page = await self.subscriptions.deliveries(
                    endpoint.id, owner, status, limit=100, after=None
                )
                if len(page.items) >= count:
                    return list(page.items)
                await asyncio.sleep(0.05)

    async def attempted(
        self, endpoint: Endpoint, owner: Principal, attempts: int = 1, within_s: float = 20
    ) -> Delivery:
        """The endpoint's newest delivery, once it has so many attempts."""
        async with asyncio.timeout(within_s):
            while True:
                page = await self.subscriptions.deliveries(
                    endpoint.id, owner, None, limit=1, after=None
                )
                if page.items and len(page.items[0].attempts) >= attempts:
                    return page.items[0]
                await asyncio.sleep(0.05)


def settings_for(stack: EmbeddedStack, **changes: Any) -> Settings:
    """The settings of a process of the stack that delivers on this machine."""
    values: dict[str, Any] = {
        "env": Environment.TEST,
        "data_dir": stack.data_dir,
        "mongo_url": stack.addresses.mongo_url,
        "redis_url": stack.addresses.redis_url,
        "temporal_address": stack.addresses.temporal_address,
        "webhook_allow_private": True,
        "webhook_timeout_s": 1.0,
    }
    return Settings(**{**values, **changes})


@asynccontextmanager
async def post_of(
    stack: EmbeddedStack, feed: Feed | None = None, **changes: Any
) -> AsyncIterator[Post]:
    """The parts a relay's process would open, in the test's own."""
    settings = settings_for(stack, **changes)
    async with AsyncExitStack() as held:
        storage = await held.enter_async_context(open_storage(settings))
        sagas = TemporalSagas(await connect(settings), park_after_s=settings.park_after_s)
        couriers = TemporalCouriers(sagas)
        parts = WebhookParts(
            storage.endpoints,
            storage.delivery_records,
            couriers,
            feed or storage.feed,
            storage.clock,
        )
        guard = Guard(allow_private=settings.webhook_allow_private)
        held.callback(guard.close)
        yield Post(
            settings,
            storage,
            couriers,
            Subscriptions(parts, guard, load_sealer(settings), settings),
            await held.enter_async_context(open_attempts(settings, storage, couriers)),
            await held.enter_async_context(open_deliveries(settings, storage, couriers)),
        )


def somebody(name: str) -> Principal:
    """A user who needs no account: endpoints know their owner by id."""
    return Principal(f"usr_{name}", Role.USER)


def verified(request: Request, secret: str) -> dict[str, Any]:
    """The body of a request, verified by the stock package."""
    body: dict[str, Any] = Webhook(secret).verify(request.body, request.headers)
    return body


def only(receiver: Receiver) -> Request:
    """The one request a receiver got."""
    (request,) = receiver.requests
    return request
