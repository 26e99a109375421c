"""Records one history of each path a delivery can take, for the replay gate.

Run by hand when a version is released: ``python -m tests.workflows.record_webhook_histories``.
A released version's histories are never recorded again; a new version gets a folder of its own.
The clock skips: the one that gave up tried for three days.
"""

import asyncio

from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.webhooks import WebhookActivities
from temporal.messages import DeliveryStory
from tests.workflows.conftest import skipping_server
from tests.workflows.record_histories import FOLDER as SAGAS
from tests.workflows.record_histories import keep
from tests.workflows.subscriber import Subscriber
from workflows.webhook_delivery import WebhookDeliveryWorkflow

FOLDER = SAGAS.with_name("webhook_histories")
QUEUE = "payflow-webhooks"


async def main() -> None:
    async with skipping_server() as temporal:
        for name, subscriber in every_path(temporal).items():
            keep(FOLDER, name, await told(temporal, name, subscriber))


def every_path(temporal: WorkflowEnvironment) -> dict[str, Subscriber]:
    now = temporal.get_current_time
    return {
        "succeeded_after_retries": Subscriber(now, answers=[500, 503, 200]),
        "cancelled": Subscriber(now),
        "gave_up": Subscriber(now),
    }


async def told(temporal: WorkflowEnvironment, name: str, subscriber: Subscriber) -> str:
    """The history of the story, told to its end."""
    async with Worker(
        temporal.client,
        task_queue=QUEUE,
        workflows=[WebhookDeliveryWorkflow],
        activities=WebhookActivities(subscriber).all(),
    ):
        handle = await temporal.client.start_workflow(
            WebhookDeliveryWorkflow.run,
            DeliveryStory("whd_1", 5),
            id=f"webhook/{name}",
            task_queue=QUEUE,
        )
        if name == "cancelled":
            await temporal.sleep(60)  # it has been tried, and waits for the next time
            subscriber.cancelled = True
            await handle.signal(WebhookDeliveryWorkflow.wake)
        await handle.result()
        return (await handle.fetch_history()).to_json()


if __name__ == "__main__":
    asyncio.run(main())
