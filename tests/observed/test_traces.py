"""One trace leads from the request to MongoDB, through every step and over a worker's death."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import pytest
from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from tests.e2e.bank import Bank, Person, new_key, order
from tests.observed.collector import Collector, Exported
from tests.webhooks.receivers import Receiver, receiver

STEPS = {"RunActivity:debit", "RunActivity:credit", "RunActivity:post"}
WHOLE = {
    "POST /v1/transfers",
    "StartWorkflow:Transfer",
    "RunWorkflow:Transfer",
    "CompleteWorkflow:Transfer",
    "post legs",
    "PUBLISH",  # Redis: who waits is told
    "POST webhook",
    *STEPS,
}


def has(*names: str) -> Callable[[list[Exported]], bool]:
    return lambda spans: set(names) <= {span.name for span in spans}


def count(spans: list[Exported], name: str) -> int:
    return sum(span.name == name for span in spans)


def in_the_durable_lane(spans: list[Exported]) -> bool:
    """Three attempts are the fast lane's; the next one is in the history."""
    return count(spans, "RunActivity:credit") > 3


async def send_traced(
    bank: Bank, payer: Person, payee: Person, *, wait: bool = True, recorded: bool = True
) -> tuple[str, str]:
    """A transfer whose client began a trace, and may record it; the ids of both."""
    trace_id = secrets.token_hex(16)
    headers = {
        "Idempotency-Key": new_key(),
        "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-{recorded:02d}",
    } | ({"Prefer": "wait=20"} if wait else {})
    body = order(payer, payee, 1)
    answer = await bank.ask("POST", "/v1/transfers", payer, body=body, headers=headers)
    assert answer.is_success, answer.text
    return trace_id, answer.json()["id"]


@pytest.fixture
async def subscriber() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


async def subscribed(bank: Bank, who: Person, subscriber: Receiver) -> Person:
    """They want to hear of completed transfers."""
    body = {"url": subscriber.url, "event_types": ["transfer.completed"]}
    made = await bank.ask("POST", "/v1/webhook-endpoints", who, body=body)
    assert made.is_success, made.text
    return who


async def test_one_trace_from_the_request_to_the_subscriber(
    bank: Bank, collector: Collector, subscriber: Receiver
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    await subscribed(bank, alice, subscriber)
    trace_id, _ = await send_traced(bank, alice, bob)

    spans = await collector.until(trace_id, has(*WHOLE))

    by_id = {span.span_id: span for span in spans}
    for step in ("debit", "credit", "post"):
        (run,) = [span for span in spans if span.name == f"RunActivity:{step}"]
        assert run.role == "worker"
        assert under(by_id, run, "StartActivity:" + step)
    commands = [span for span in spans if span.scope.endswith("pymongo")]
    assert {span.role for span in commands} == {"api", "worker"}
    assert any(under(by_id, span, "post legs") for span in commands)
    assert any(under(by_id, span, "POST /v1/transfers") for span in commands)
    (delivery,) = [span for span in spans if span.name == "POST webhook"]
    assert under(by_id, delivery, "RunActivity:post")
    # the subscriber learns nothing of our traces
    assert [trace_id in str(request) for request in subscriber.requests] == [False]


async def test_the_trace_goes_on_when_the_worker_is_killed(
    watched: EmbeddedStack,
    bank: Bank,
    operator: Person,
    collector: Collector,
    subscriber: Receiver,
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    await subscribed(bank, alice, subscriber)
    rule = {"step": "credit", "failure_type": "error", "failure_rate": 1}
    await bank.rehearse(operator, rule)
    trace_id, transfer_id = await send_traced(bank, alice, bob, wait=False)
    await bank.until(alice, transfer_id, "debited")
    await collector.until(trace_id, in_the_durable_lane)
    killed = watched.kill("worker")
    await bank.end_rehearsal(operator)
    assert (await bank.ended(alice, transfer_id))["status"] == "completed"
    await watched.wait_restarted("worker", killed)

    spans = await collector.until(trace_id, has(*WHOLE))

    assert count(spans, "RunWorkflow:Transfer") == 1  # a replay is no second run


async def test_a_group_is_linked_to_the_trace_of_each_leg(bank: Bank, collector: Collector) -> None:
    people = [(await bank.funded(100), await bank.person("bob")) for _ in range(8)]
    traces: set[str] = set()

    def shared() -> list[Exported]:
        groups = [span for span in collector.spans if span.name == "post legs"]
        return [group for group in groups if group.trace_id in traces and group.links]

    async with asyncio.timeout(60):
        while not shared():  # whether legs meet in a group is a matter of milliseconds
            sent = await asyncio.gather(*(send_traced(bank, *pair) for pair in people))
            traces |= {trace_id for trace_id, _ in sent}
            for trace_id, _ in sent:
                await collector.until(trace_id, has("CompleteWorkflow:Transfer"))
    group = shared()[0]
    assert group.links <= traces
    for other in group.links:
        back = await collector.until(other, has("posted in a group"))
        assert any(group.trace_id in span.links for span in back)


async def test_log_lines_and_the_journal_know_the_trace(
    watched: EmbeddedStack, bank: Bank, operator: Person
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    rule = {"step": "credit", "failure_type": "error", "failure_rate": 1}
    await bank.rehearse(operator, rule)
    trace_id, transfer_id = await send_traced(bank, alice, bob, wait=False)
    await bank.until(alice, transfer_id, "debited")
    await bank.end_rehearsal(operator)
    await bank.ended(alice, transfer_id)

    for name, words in (("api", "POST /v1/transfers"), ("worker", "credit did not answer")):
        (log,) = watched.data_dir.rglob(f"{name}.log")
        lines = [line for line in log.read_text().splitlines() if trace_id in line]
        told = [line for line in lines if words in line]
        assert told, (name, lines)
        for fact in (
            f"transfer_id={transfer_id}",
            f"workflow_id=transfer/{transfer_id}",
            "request_id=req_",
        ):
            assert fact in told[0]
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(watched.addresses.mongo_url)
    async with client:
        journal = client["payflow"]["journal"]
        init = await journal.find_one({"_id": f"{transfer_id}:init"})
        assert init
        assert str(init["traceparent"]).split("-")[1] == trace_id
        assert "traceparent" not in str(init["event"])


async def test_a_trace_that_is_not_recorded_leaves_no_span(
    bank: Bank, collector: Collector
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    collected = len(collector.spans)
    unrecorded, transfer_id = await send_traced(bank, alice, bob, recorded=False)
    recorded, _ = await send_traced(bank, alice, bob)
    await collector.until(recorded, has("CompleteWorkflow:Transfer", *STEPS))

    assert collector.trace(unrecorded) == []
    about_it = [one for one in collector.spans[collected:] if transfer_id in str(one.span)]
    assert about_it == []


async def test_probes_and_the_sweep_begin_no_traces(bank: Bank, collector: Collector) -> None:
    for path in ("/health/ready", "/metrics"):
        await bank.ask("GET", path)
    await asyncio.sleep(3)  # a sweep and an export

    roots = [span for span in collector.spans if not span.span.parent_span_id]
    assert not [span for span in roots if span.role == "relay"]
    assert not [span for span in roots if "health" in span.name or "metrics" in span.name]


def test_without_a_collector_nothing_is_imported() -> None:
    code = (
        "import sys, cli.processes, cli.observed\n"
        "from payflow.observability.traces import open_traces, Untraced\n"
        "from payflow.settings import Settings\n"
        "assert isinstance(open_traces(Settings(), 'api'), Untraced)\n"
        # the Redis client imports the API by itself where it is installed
        "ours = ('opentelemetry.instrumentation', 'opentelemetry.exporter', "
        "'temporalio.contrib.opentelemetry', 'payflow.observability.otlp')\n"
        "sys.exit(any(name.startswith(ours) for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def under(by_id: dict[str, Exported], span: Exported, name: str) -> bool:
    """Whether a span of that name is above this one."""
    above = by_id.get(span.span.parent_span_id.hex())
    while above is not None:
        if above.name == name:
            return True
        above = by_id.get(above.span.parent_span_id.hex())
    return False
