"""The floor: what Temporal alone costs, on the same server, with nothing behind the steps."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from time import monotonic

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.jobs import LEAD_S, Tally

QUEUE = "bench"
STEPS = 3  # debit, credit, post
STEP_TIMEOUT = timedelta(seconds=10)


@activity.defn
async def no_op(step: int) -> int:
    """Do nothing."""
    return step


@workflow.defn
class ThreeActivities:
    """Three ordinary activities, one after the other: what a plain saga of three steps is."""

    @workflow.run
    async def run(self) -> None:
        """Take the steps."""
        for step in range(STEPS):
            await workflow.execute_activity(no_op, step, start_to_close_timeout=STEP_TIMEOUT)


@workflow.defn
class Empty:
    """Nothing at all: the engine's floor."""

    @workflow.run
    async def run(self) -> None:
        """Return."""


class BareTemporal:
    """Runs workflows that do nothing, by callers that wait for each."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run_id = secrets.token_hex(6)
        self._numbers = count()

    async def three_activities(self) -> None:
        """One workflow of three ordinary activities, to its result."""
        await self._client.execute_workflow(
            ThreeActivities.run, id=self._new_id(), task_queue=QUEUE
        )

    async def empty(self) -> None:
        """One empty workflow, started eagerly, to its result."""
        await self._client.execute_workflow(
            Empty.run, id=self._new_id(), task_queue=QUEUE, request_eager_start=True
        )

    def _new_id(self) -> str:
        return f"bench/{self._run_id}/{next(self._numbers)}"


@asynccontextmanager
async def bare_temporal(address: str, namespace: str = "default") -> AsyncIterator[BareTemporal]:
    """A worker in this process, and its client, which eager starts need to share."""
    client = await Client.connect(address, namespace=namespace)
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[ThreeActivities, Empty],
        activities=[no_op],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield BareTemporal(client)


async def in_a_loop(
    one: Callable[[], Awaitable[None]], *, callers: int, seconds: float, lead_s: float = LEAD_S
) -> Tally:
    """Callers that do ``one`` again and again: counted as the load generator counts."""
    start = monotonic() + lead_s
    end = start + seconds
    latencies_ms: list[float] = []
    answered = 0

    async def call() -> None:
        nonlocal answered
        while (asked := monotonic()) < end:
            await one()
            done = monotonic()
            answered += 1
            if start <= done <= end:
                latencies_ms.append((done - asked) * 1_000)

    await asyncio.gather(*(call() for _ in range(callers)))
    return Tally(seconds, latencies_ms, answered, [])
