"""Webhooks at work: the worker of retries, the dispatch of first attempts, and their parts."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.webhooks import WebhookActivities
from payflow.domain.webhook_ports import Attempts, Couriers
from payflow.settings import Settings
from payflow.storage.factory import Storage
from payflow.webhooks.attempts import DeliveryAttempts
from payflow.webhooks.dispatch import Dispatch, open_dispatch
from payflow.webhooks.guard import Guard
from payflow.webhooks.sealing import load_sealer
from payflow.webhooks.sending import open_sender
from temporal.names import WEBHOOKS_QUEUE
from workers.built import worker
from workflows.webhook_delivery import WebhookDeliveryWorkflow

CACHED_WORKFLOWS = 500  # a delivery between two attempts is not worth the memory
ATTEMPTS_AT_ONCE = 200  # an endpoint has a few places; so a handful of slow ones do not fill this


@asynccontextmanager
async def open_attempts(
    settings: Settings, storage: Storage, couriers: Couriers
) -> AsyncIterator[Attempts]:
    """What makes attempts, with its connections, closed on leaving.

    Raises:
        SealUnusable: the keys, given or in the data folder, cannot open secrets.
    """
    guard = Guard(allow_private=settings.webhook_allow_private)
    try:
        async with open_sender(guard, storage.clock, settings.webhook_timeout_s) as sender:
            yield DeliveryAttempts(
                storage.delivery_records,
                storage.endpoints,
                sender,
                load_sealer(settings),
                storage.clock,
                couriers=couriers,
                disable_after=timedelta(seconds=settings.webhook_disable_after_s),
                pace=settings.webhook_retry_pace,
                draw=random.random,
                observer=storage.observer,
            )
    finally:
        guard.close()


@asynccontextmanager
async def open_deliveries(
    settings: Settings, storage: Storage, couriers: Couriers
) -> AsyncIterator[Dispatch]:
    """The relay's way to the subscribers: ``schedule`` puts on record and tries at once."""
    async with (
        open_attempts(settings, storage, couriers) as attempts,
        open_dispatch(
            storage.delivery_records,
            attempts,
            couriers,
            places=settings.webhook_endpoint_concurrency,
        ) as dispatch,
    ):
        yield dispatch


def webhook_worker(client: Client, attempts: Attempts) -> Worker:
    """The worker of the webhooks' queue: apart from money, whatever subscribers do."""
    return worker(
        client=client,
        task_queue=WEBHOOKS_QUEUE,
        workflows=[WebhookDeliveryWorkflow],
        activities=WebhookActivities(attempts).all(),
        max_cached_workflows=CACHED_WORKFLOWS,
        max_concurrent_activities=ATTEMPTS_AT_ONCE,
    )
