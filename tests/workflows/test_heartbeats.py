"""A worker's heartbeats reach the server while they can still help."""

import asyncio
import itertools
import uuid
from datetime import datetime

from temporalio import activity, workflow
from temporalio.client import WorkflowHandle

from activities.alive import alive
from cli.stack import EmbeddedStack
from payflow.settings import Environment, Settings
from temporal.client import connect
from temporal.policies import BATCH_HEARTBEAT, BATCH_TIMEOUT
from workers.built import worker

BEATS = 4
HELD_BACK_S = 0.8 * BATCH_HEARTBEAT.total_seconds()  # by the SDK, unless it is told otherwise


@activity.defn
async def lives() -> None:
    """Nothing but be alive, until it is cancelled."""
    async with alive():
        await asyncio.Event().wait()


@workflow.defn(sandboxed=False)
class Life:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            lives, start_to_close_timeout=BATCH_TIMEOUT, heartbeat_timeout=BATCH_HEARTBEAT
        )


async def heard(handle: WorkflowHandle[Life, None]) -> datetime | None:
    """When the server last heard of the workflow's one activity."""
    for pending in (await handle.describe()).raw_description.pending_activities:
        if pending.HasField("last_heartbeat_time"):
            return pending.last_heartbeat_time.ToDatetime()
    return None


async def test_every_heartbeat_is_sent(single: EmbeddedStack) -> None:
    settings = Settings(env=Environment.TEST, temporal_address=single.addresses.temporal_address)
    client = await connect(settings)
    queue = str(uuid.uuid4())  # noqa: TID251  # a queue of the test's own
    async with worker(client=client, task_queue=queue, workflows=[Life], activities=[lives]):
        handle = await client.start_workflow(Life.run, id=queue, task_queue=queue)
        moments: list[datetime] = []
        while len(moments) < BEATS:
            moment = await heard(handle)
            if moment and moment not in moments:
                moments.append(moment)
            await asyncio.sleep(0.1)
        await handle.terminate()
    pauses = [(b - a).total_seconds() for a, b in itertools.pairwise(moments)]
    assert min(pauses) < HELD_BACK_S / 2
