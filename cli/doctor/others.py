"""Redis, clocks and Temporal as the doctor sees them."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from redis.asyncio import Redis
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
)
from temporalio.client import Client

from cli.doctor.rows import Row, green, red, yellow
from payflow.domain.ports import Clock
from payflow.storage import transactions
from temporal.names import TRANSFERS_QUEUE, WEBHOOKS_QUEUE
from temporal.queries import CANNOT_RUN, NOT_IN_LEDGER
from temporal.search_attributes import SearchAttributesDiffer, missing_search_attributes

OLDEST_REDIS = (6, 0)
OLDEST_TEMPORAL = (1, 28)  # an Update that starts its workflow
TELLS_PROBLEMS = (1, 32)  # lists the workflows that cannot run
SKEW_S = 2.0  # tokens, signatures and time-outs of deliveries are compared across machines
POLLED_WITHIN_S = 90.0  # a poll is renewed each minute
SHOWN = 3


async def redis_rows(redis: Redis) -> Sequence[Row]:
    """Connection and version."""
    begun = time.perf_counter()
    info = await redis.info("server")
    took_ms = (time.perf_counter() - begun) * 1_000
    return [redis_row(str(info["redis_version"]), took_ms)]


def redis_row(version: str, took_ms: float) -> Row:
    """Whether the server is one whose commands we use."""
    if _parts(version) < OLDEST_REDIS:
        return red("redis", f"{version} is too old", "upgrade to Redis 6.0 or newer, or Valkey")
    return green("redis", f"{version}, connected and answered in {took_ms:.0f} ms")


async def clock_rows(client: transactions.Client, redis: Redis, clock: Clock) -> Sequence[Row]:
    """This machine's clock against MongoDB's and Redis'; half of the way there is taken off."""
    before = clock.now()
    hello = await client.admin.command("hello", codec_options=client.codec_options)
    mongodb_s = _skew_s(before, hello["localTime"], clock.now())
    before = clock.now()
    seconds, micros = await redis.time()
    there = datetime.fromtimestamp(seconds + micros / 1e6, UTC)
    return [clock_row({"mongodb": mongodb_s, "redis": _skew_s(before, there, clock.now())})]


def clock_row(skews_s: Mapping[str, float]) -> Row:
    """Whether all clocks agree well enough."""
    found = ", ".join(f"{name} is {skew:+.2f} s from here" for name, skew in skews_s.items())
    if any(abs(skew) > SKEW_S for skew in skews_s.values()):
        return red("clocks", found, "run NTP on every machine: tokens and signatures have times")
    return green("clocks", found)


async def temporal_rows(client: Client) -> Sequence[Row]:
    """Connection, version, namespace."""
    begun = time.perf_counter()
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    took_ms = (time.perf_counter() - begun) * 1_000
    return [temporal_row(info.server_version, client.namespace, took_ms)]


def temporal_row(version: str, namespace: str, took_ms: float) -> Row:
    """Whether the server is one whose features we count on."""
    if _parts(version) < OLDEST_TEMPORAL:
        return red("temporal", f"{version} is too old", "upgrade to Temporal server 1.32 or newer")
    if _parts(version) < TELLS_PROBLEMS:
        fix = "upgrade to 1.32: it lists the workflows that cannot run"
        return yellow("temporal", f"{version}, namespace {namespace}", fix)
    return green("temporal", f"{version}, namespace {namespace}, answered in {took_ms:.0f} ms")


async def attribute_rows(client: Client) -> Sequence[Row]:
    """Whether the saved queries can find anything."""
    try:
        missing = await missing_search_attributes(client)
    except SearchAttributesDiffer as differ:
        return [red("search attributes", str(differ), "remove it, then restart a worker")]
    if missing:
        fix = "restart a worker: it registers them; or temporal operator search-attribute create"
        return [red("search attributes", f"missing: {', '.join(missing)}", fix)]
    return [green("search attributes", "all are registered")]


async def worker_rows(client: Client, clock: Clock) -> Sequence[Row]:
    """Whether anybody asks for work."""
    idle = [
        queue
        for queue in (TRANSFERS_QUEUE, WEBHOOKS_QUEUE)
        if not await _is_polled(client, queue, clock)
    ]
    if idle:
        fix = "start `payflow worker`, and read its log if it does not stay"
        return [red("workers", f"nobody polls {', '.join(idle)}", fix)]
    return [green("workers", f"{TRANSFERS_QUEUE} and {WEBHOOKS_QUEUE} are polled")]


async def _is_polled(client: Client, queue: str, clock: Clock) -> bool:
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    now = clock.now().timestamp()
    return any(now - one.last_access_time.seconds < POLLED_WITHIN_S for one in answer.pollers)


async def stuck_rows(client: Client) -> Sequence[Row]:
    """Workflows that fail their tasks: they answer no verb."""
    found = [one.id async for one in client.list_workflows(CANNOT_RUN.query, limit=SHOWN + 1)]
    return [stuck_row(found)]


def stuck_row(workflow_ids: Sequence[str]) -> Row:
    """Whether there are any."""
    if not workflow_ids:
        return green("cannot run", "no workflow fails its tasks")
    more = " and more" if len(workflow_ids) > SHOWN else ""
    fix = "deploy the worker that can run them, or Reset: docs/operations.md#cannot-run"
    return red("cannot run", f"{', '.join(workflow_ids[:SHOWN])}{more}", fix)


async def unknown_rows(client: Client) -> Sequence[Row]:
    """Workflows that have ended themselves because the ledger does not know what they are about."""
    query = NOT_IN_LEDGER.query
    found = [one.id async for one in client.list_workflows(query, limit=SHOWN + 1)]
    return [unknown_row(found)]


def unknown_row(workflow_ids: Sequence[str]) -> Row:
    """Whether there are any."""
    if not workflow_ids:
        return green("not in the ledger", "no workflow has ended for that")
    more = " and more" if len(workflow_ids) > SHOWN else ""
    found = f"{', '.join(workflow_ids[:SHOWN])}{more}: ended themselves, no money moved"
    fix = "what clients were told of them is lost: docs/operations.md#back-up-and-restore"
    return yellow("not in the ledger", found, fix)


def _skew_s(before: datetime, there: datetime, after: datetime) -> float:
    return (there - (before + (after - before) / 2)).total_seconds()


def _parts(version: str) -> tuple[int, int]:
    numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")]
    return (*numbers, 0, 0)[0], (*numbers, 0, 0)[1]
