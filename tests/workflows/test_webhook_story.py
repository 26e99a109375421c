"""A delivery's story, gap by gap, on a clock that skips."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.webhooks import WebhookActivities
from payflow.domain.webhooks import (
    JITTER,
    RETRY_AFTER_S,
    DeliveryStatus,
    DisabledReason,
)
from temporal.messages import DeliveryStory
from tests.workflows.subscriber import FIVE_DAYS, Subscriber
from workflows.webhook_delivery import WebhookDeliveryWorkflow


@dataclass
class Told:
    """One delivery's workflow and whom it delivers to."""

    subscriber: Subscriber
    handle: WorkflowHandle[WebhookDeliveryWorkflow, DeliveryStatus]


Carry = Callable[..., AbstractAsyncContextManager[Told]]


@pytest.fixture
def carry(temporal: WorkflowEnvironment) -> Carry:
    """Start the story of a delivery to a subscriber who answers like this."""

    @asynccontextmanager
    async def carrying(wait_s: float = 0, **manner: object) -> AsyncIterator[Told]:
        subscriber = Subscriber(temporal.get_current_time, **manner)  # type: ignore[arg-type]
        queue = str(uuid.uuid4())  # noqa: TID251  # a queue of the test's own
        async with Worker(
            temporal.client,
            task_queue=queue,
            workflows=[WebhookDeliveryWorkflow],
            activities=WebhookActivities(subscriber).all(),
        ):
            handle = await temporal.client.start_workflow(
                WebhookDeliveryWorkflow.run,
                DeliveryStory("whd_1", wait_s),
                id=f"webhook/{queue}",
                task_queue=queue,
            )
            yield Told(subscriber, handle)

    return carrying


def close_to(gaps_s: list[float], wanted_s: list[float]) -> None:
    assert len(gaps_s) == len(wanted_s)
    for gap_s, wanted in zip(gaps_s, wanted_s, strict=True):
        assert wanted - 0.01 <= gap_s <= wanted + 2, (gap_s, wanted)  # two tasks of a real worker


@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
async def test_the_whole_schedule_gap_by_gap(carry: Carry, drawn: float) -> None:
    async with carry(drawn=drawn) as told:
        assert await told.handle.result() is DeliveryStatus.FAILED
    factor = 1 - JITTER + 2 * JITTER * drawn
    close_to(told.subscriber.gaps_s, [gap * factor for gap in RETRY_AFTER_S])
    assert len(told.subscriber.tries) == 10


async def test_it_ends_when_the_subscriber_takes_it(carry: Carry) -> None:
    async with carry(answers=[500, 503, 204]) as told:
        assert await told.handle.result() is DeliveryStatus.SUCCEEDED
    close_to(told.subscriber.gaps_s, [5, 300])


async def test_after_a_direct_attempt_it_waits_first(
    carry: Carry, temporal: WorkflowEnvironment
) -> None:
    begun = await temporal.get_current_time()
    async with carry(wait_s=5, answers=[200]) as told:
        await told.handle.result()
    (at,) = told.subscriber.tries
    assert at - begun >= timedelta(seconds=5)


async def test_retry_after_lengthens_the_wait(carry: Carry) -> None:
    async with carry(answers=[429, 429, 200], retry_after_s=60) as told:
        assert await told.handle.result() is DeliveryStatus.SUCCEEDED
    close_to(told.subscriber.gaps_s, [60, 300])


async def test_gone_is_for_ever(carry: Carry) -> None:
    async with carry(answers=[500, 410, 200]) as told:
        assert await told.handle.result() is DeliveryStatus.CANCELLED
    assert told.subscriber.disabled is DisabledReason.GONE
    assert len(told.subscriber.tries) == 2


async def test_five_failing_days_end_it(carry: Carry, temporal: WorkflowEnvironment) -> None:
    three_days_ago = await temporal.get_current_time() - timedelta(days=3)
    async with carry(failing_since=three_days_ago) as told:
        assert await told.handle.result() is DeliveryStatus.CANCELLED
    assert told.subscriber.disabled is DisabledReason.FAILING
    last = told.subscriber.tries[-1]
    assert last - three_days_ago >= FIVE_DAYS
    assert told.subscriber.tries[-2] - three_days_ago < FIVE_DAYS


async def test_a_deletion_in_mid_retry_ends_it_without_an_attempt(carry: Carry) -> None:
    async with carry(answers=[500]) as told:
        while not told.subscriber.tries:
            await asyncio.sleep(0.02)
        told.subscriber.cancelled = True
        await told.handle.signal(WebhookDeliveryWorkflow.wake)
        assert await told.handle.result() is DeliveryStatus.CANCELLED
    assert len(told.subscriber.tries) == 1


async def test_trouble_of_ours_is_no_attempt(carry: Carry) -> None:
    async with carry(answers=[200], trouble=3) as told:
        assert await told.handle.result() is DeliveryStatus.SUCCEEDED
    assert len(told.subscriber.tries) == 1
