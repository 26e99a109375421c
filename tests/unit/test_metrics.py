"""Every metric there is moves, its labels are bounded, and an unknown number is not made up."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from payflow.domain.errors import BooksUnavailable
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.money import Money
from payflow.domain.movements import Movement, MovementKind
from payflow.domain.observing import (
    UNOBSERVED,
    Answer,
    Attempt,
    Delivered,
    Observer,
    Proven,
    Standing,
    WalletAct,
)
from payflow.domain.ports import DependencyBlocked, Origin
from payflow.domain.transfers import TransferStatus
from payflow.observability import names
from payflow.observability.metrics import Metrics
from payflow.observability.sdk_metrics import SdkMetrics
from payflow.observability.unreadable import UNREADABLE
from tests.fakes import START, TRANSFER, InMemoryBooks, books_of_two, transfer

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class FakeCensus:
    def __init__(self, standing: Standing | None) -> None:
        self._standing = standing

    async def count(self) -> Standing:
        if self._standing is None:
            raise BooksUnavailable
        return self._standing


class FakeProbe:
    def __init__(self, name: str, trouble: Exception | None = None) -> None:
        self.name = name
        self._trouble = trouble

    async def check(self) -> None:
        if self._trouble is not None:
            raise self._trouble


async def samples(metrics: Observer) -> Samples:
    page = (await metrics.page()).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def story(books: InMemoryBooks, *legs: Leg, rejected: Leg | None = None) -> None:
    for leg in legs:
        await books.take(LegRequest(TRANSFER, leg, rejected=leg is rejected), Origin())


async def everything() -> Metrics:
    """What a process has observed when each thing happened once."""
    metrics = Metrics("serve")
    metrics.accepted(transfer())
    done, undone = books_of_two(), books_of_two()
    await story(done, Leg.DEBIT, Leg.CREDIT, Leg.POST)
    await story(undone, Leg.DEBIT, Leg.CREDIT, Leg.REFUND, rejected=Leg.CREDIT)
    for books in (done, undone):
        metrics.posted(books.entries)
    for act in WalletAct:
        metrics.wallet_changed(act)
    for kind in MovementKind:
        metrics.moved(Movement("dep_1", kind, "wal_1", Money(5, "USD"), START))
    with metrics.posting([None, None]):
        pass
    metrics.conflicted()
    metrics.tried(Attempt("debit", "fast", 1, 0.01, answered=False))
    metrics.tried(Attempt("debit", "fast", 2, 0.01, answered=True))
    metrics.answered(Answer("POST", "/v1/transfers", 201, 0.05))
    metrics.rate_limited("logins")
    metrics.overloaded()
    metrics.bears(600)
    metrics.leads(now=True)
    metrics.placed([START, START])
    with metrics.delivering(None):
        pass
    metrics.delivered(Delivered(0.02, arrived_after_s=0.5))
    metrics.delivered(Delivered(15.0))
    metrics.task_failed("sweep")
    UNREADABLE.note("transfers", "trf_SPOILT", "amount: Field required")
    proof = Proven("violated", 2, 7, 30.0, is_stale=True, oldest_in_transit_s=5.0)
    census = FakeCensus(Standing({TransferStatus.DEBITED: 3}, parked=1, proof=proof))
    probes = [FakeProbe("mongo"), FakeProbe("redis", ConnectionError("redis"))]
    metrics.look_at(census, [*probes, FakeProbe("temporal", DependencyBlocked())])
    return metrics


async def test_every_metric_of_the_table_moves() -> None:
    found = await samples(await everything())
    moved = {name for (name, _), value in found.items() if value > 0}

    for metric in names.ALL:
        suffix = "_count" if metric.kind is names.Kind.HISTOGRAM else ""
        assert f"{metric.name}{suffix}" in moved


@pytest.mark.parametrize(
    ("status", "is_stale", "shown"),
    [
        ("ok", False, {"ok"}),
        ("ok", True, {"stale"}),
        ("violated", False, {"violated"}),
        ("violated", True, {"violated", "stale"}),
    ],
)
async def test_a_stale_proof_is_not_ok(status: str, is_stale: bool, shown: set[str]) -> None:
    proof = Proven(status, 0, 7, 30.0, is_stale=is_stale, oldest_in_transit_s=0.0)
    metrics = Metrics("serve")
    metrics.look_at(FakeCensus(Standing({}, parked=0, proof=proof)), [])
    found = await samples(metrics)
    labels = {one: (("status", one),) for one in ("ok", "violated", "stale")}
    assert {one for one in labels if found["payflow_proof_status", labels[one]]} == shown


async def test_a_transfer_is_counted_by_how_it_ended() -> None:
    found = await samples(await everything())

    for status in ("completed", "failed"):
        labels = (("currency", "USD"), ("status", status))
        assert found["payflow_transfers_ended_total", labels] == 1
    assert found["payflow_compensations_total", (("currency", "USD"),)] == 1
    assert found["payflow_transfer_failures_total", (("code", "credit_rejected"),)] == 1
    assert found["payflow_posting_group_legs_sum", ()] == 2
    assert found["payflow_step_retries_total", (("lane", "fast"), ("step", "debit"))] == 1


async def test_time_to_terminal_is_from_accepted_to_the_end() -> None:
    metrics, books = Metrics("worker"), books_of_two()
    books.transfers[TRANSFER] = replace(books.transfers[TRANSFER], created_at=START)
    books.clock.move(timedelta(seconds=7))
    await story(books, Leg.DEBIT, Leg.CREDIT, Leg.POST)
    metrics.posted(books.entries)

    found = await samples(metrics)

    assert found["payflow_transfer_duration_seconds_sum", (("status", "completed"),)] == 7


async def test_a_group_that_failed_is_counted_as_undone() -> None:
    metrics = Metrics("worker")
    with pytest.raises(ConnectionError), metrics.posting([None]):
        raise ConnectionError

    found = await samples(metrics)

    labels = (("outcome", "undone"),)
    assert found["payflow_posting_group_duration_seconds_count", labels] == 1


async def test_what_the_books_do_not_say_is_not_made_up() -> None:
    metrics = Metrics("api")
    metrics.look_at(FakeCensus(None))

    found = await samples(metrics)

    assert math.isnan(found["payflow_transfers_parked", ()])
    assert math.isnan(found["payflow_proof_age_seconds", ()])
    assert not [name for name, _ in found if name == "payflow_transfers_in_flight"]


async def test_what_did_not_arrive_has_no_lag() -> None:
    found = await samples(await everything())

    for outcome in ("succeeded", "failed"):
        assert found["payflow_webhook_attempts_total", (("outcome", outcome),)] == 1
    assert found["payflow_webhook_delivery_lag_seconds_count", ()] == 1
    assert found["payflow_webhook_delivery_lag_seconds_sum", ()] == 0.5
    assert found["payflow_feed_events_total", ()] == 2


async def test_the_proof_says_one_of_two_things() -> None:
    found = await samples(await everything())

    assert found["payflow_proof_status", (("status", "violated"),)] == 1
    assert found["payflow_proof_status", (("status", "ok"),)] == 0
    assert found["payflow_proof_violations", ()] == 2
    assert found["payflow_proof_age_seconds", ()] == 30


async def test_a_dependency_is_up_or_it_is_not() -> None:
    found = await samples(await everything())

    assert found["payflow_dependency_up", (("dependency", "mongo"),)] == 1
    assert found["payflow_dependency_up", (("dependency", "redis"),)] == 0


async def test_a_dependency_that_is_blocked_is_down_for_this_process_alone() -> None:
    found = await samples(await everything())

    states = {"mongo": (1, 0), "redis": (0, 0), "temporal": (0, 1)}
    for name, state in states.items():
        label = (("dependency", name),)
        asked = ("payflow_dependency_up", "payflow_dependency_blocked")
        assert tuple(found[one, label] for one in asked) == state


async def test_no_label_holds_an_id() -> None:
    found = await samples(await everything())

    allowed = {label for metric in names.ALL for label in metric.labels} | {"le"}
    for _, labels in found:
        for label, value in labels:
            assert label in allowed
            assert "trf_" not in value
            assert "wal_" not in value


async def test_two_processes_count_apart() -> None:
    one, other = Metrics("worker"), Metrics("worker")
    one.conflicted()

    assert (await samples(one))["payflow_posting_conflicts_total", ()] == 1
    assert (await samples(other))["payflow_posting_conflicts_total", ()] == 0


async def test_who_is_not_observed_says_nothing() -> None:
    with UNOBSERVED.posting([None]):
        assert UNOBSERVED.traceparent() is None
    assert await UNOBSERVED.page() == b""


def update(name: str, kind: int, value: float, **attributes: str) -> Any:
    instrument = SimpleNamespace(name=name, description=None, kind=kind)
    return SimpleNamespace(metric=instrument, value=value, attributes=attributes)


async def test_the_sdk_s_metrics_are_added_up_without_its_unbounded_labels() -> None:
    updates = [
        update("temporal_request", 0, 1, operation="StartWorkflowExecution", workflow_id="trf_1"),
        update("temporal_request", 0, 2, operation="StartWorkflowExecution", workflow_id="trf_2"),
        update("temporal_num_pollers", 1, 5, task_queue="payflow-transfers"),
        update("temporal_num_pollers", 1, 4, task_queue="payflow-transfers"),
        update("temporal_request_latency", 2, 0.02, operation="Poll"),
        update("temporal_request_latency", 2, 90.0, operation="Poll"),
    ]

    def retrieve() -> list[Any]:
        taken = list(updates)
        updates.clear()
        return taken

    found = await samples(Metrics("worker", more=[SdkMetrics(retrieve)]))

    def of(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

    assert of("temporal_request_total", operation="StartWorkflowExecution") == 3
    assert of("temporal_num_pollers", task_queue="payflow-transfers") == 4
    assert of("temporal_request_latency_seconds_count", operation="Poll") == 2
    assert of("temporal_request_latency_seconds_bucket", operation="Poll", le="0.025") == 1
    assert of("temporal_request_latency_seconds_bucket", operation="Poll", le="+Inf") == 2


def test_the_labels_of_the_table_are_unique_names() -> None:
    metrics: Mapping[str, object] = {metric.name: metric for metric in names.ALL}
    assert len(metrics) == len(names.ALL)
