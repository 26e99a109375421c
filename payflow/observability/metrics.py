"""The ``Observer`` port over prometheus-client: one registry for each process."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from loguru import logger
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from payflow.domain.ledger import JournalEntry, Leg
from payflow.domain.movements import Movement
from payflow.domain.observing import (
    Answer,
    Attempt,
    Census,
    Delivered,
    Proven,
    WalletAct,
)
from payflow.domain.ports import Probe
from payflow.domain.transfers import Transfer
from payflow.observability import names
from payflow.observability.dependencies import examine
from payflow.observability.names import Kind, Metric
from payflow.observability.traces import Traces, Untraced
from payflow.observability.unreadable import UNREADABLE

PROBE_WITHIN_S = 1.0  # Prometheus waits 10 s by default for the whole page
LOOK_AGAIN_S = 3.0  # a page that is read more often says the same


class Metrics:
    """Counts what this process does; ``page`` is what Prometheus reads.

    Args:
        role: what this process is.
        traces: where spans go; nowhere by default.
        more: collectors of others, such as the Temporal SDK's own metrics.
    """

    def __init__(
        self, role: str, traces: Traces | None = None, more: Iterable[Collector] = ()
    ) -> None:
        self._traces = traces or Untraced()
        # a second series for each counter, which nobody asks for
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own is untyped
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        for collector in more:
            self._registry.register(collector)
        makers = {Kind.COUNTER: self._counter, Kind.GAUGE: self._gauge}
        made = {m: makers[m.kind](m) for m in names.ALL if m.kind in makers}
        self._counters = {m: one for m, one in made.items() if isinstance(one, Counter)}
        self._gauges = {m: one for m, one in made.items() if isinstance(one, Gauge)}
        self._histograms = {m: self._histogram(m) for m in names.ALL if m.kind is Kind.HISTOGRAM}
        self._set(names.BUILD_INFO, 1, release(), role)
        self._census: Census | None = None
        self._probes: dict[str, Probe] = {}
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    def accepted(self, transfer: Transfer) -> None:
        """A new transfer was committed."""
        self._count(names.TRANSFERS_ACCEPTED, transfer.money.currency)

    def posted(self, entries: Iterable[JournalEntry]) -> None:
        """These legs were committed, each for the first time."""
        for entry in entries:
            self._count(names.LEGS, entry.leg.value, entry.answer.outcome.value)
            if entry.leg is Leg.REFUND and entry.answer.applied:
                self._count(names.COMPENSATIONS, entry.transfer.money.currency)
            if entry.transfer.status.is_terminal:
                self._ended(entry.transfer)

    def moved(self, movement: Movement) -> None:
        """A deposit or withdrawal was committed."""
        self._count(names.MOVEMENTS, movement.kind.value, movement.money.currency)

    def wallet_changed(self, act: WalletAct) -> None:
        """A wallet was opened, frozen, unfrozen or closed."""
        self._count(names.WALLET_ACTS, act.value)

    @contextmanager
    def posting(self, traceparents: Sequence[str | None]) -> Iterator[None]:
        """Time one transaction of a group, and give it its span."""
        self._observe(names.POSTING_LEGS, len(traceparents))
        begun, outcome = time.perf_counter(), "undone"
        try:
            with self._traces.group(traceparents):
                yield
            outcome = "committed"
        finally:
            self._observe(names.POSTING_DURATION, time.perf_counter() - begun, outcome)

    def conflicted(self) -> None:
        """A group met another's and will be tried again."""
        self._count(names.POSTING_CONFLICTS)

    def tried(self, attempt: Attempt) -> None:
        """An attempt at a step ended."""
        outcome = "answered" if attempt.answered else "failed"
        self._count(names.STEP_ATTEMPTS, attempt.step, attempt.lane, outcome)
        self._observe(names.STEP_DURATION, attempt.seconds, attempt.step, attempt.lane)
        if attempt.number > 1:
            self._count(names.STEP_RETRIES, attempt.step, attempt.lane)

    def answered(self, answer: Answer) -> None:
        """A request was answered."""
        self._count(names.HTTP_REQUESTS, answer.method, answer.route, str(answer.status))
        self._observe(names.HTTP_DURATION, answer.seconds, answer.method, answer.route)

    def rate_limited(self, limit: str) -> None:
        """Somebody has used the limit of that name up, and was refused."""
        self._count(names.RATE_LIMITED, limit)

    def overloaded(self) -> None:
        """A request was refused because too many are under way."""
        self._count(names.OVERLOADED)

    def bears(self, limit: int) -> None:
        """So many requests may be worked on at once in this process, for now."""
        self._set(names.REQUESTS_BORNE, limit)

    def leads(self, *, now: bool) -> None:
        """This process's relay has become the active one, or is it no longer."""
        self._set(names.RELAY_LEADS, int(now))

    def placed(self, committed_at: Sequence[datetime]) -> None:
        """Events, committed then, have got their places in the feed."""
        self._counters[names.FEED_EVENTS].inc(len(committed_at))
        now = time.time()
        for one in committed_at:
            self._observe(names.RELAY_LAG, max(0.0, now - one.timestamp()))

    @contextmanager
    def delivering(self, traceparent: str | None) -> Iterator[None]:
        """Give one request to a subscriber its span in the event's trace."""
        with self._traces.delivery(traceparent):
            yield

    def delivered(self, delivered: Delivered) -> None:
        """That request has ended."""
        outcome = "succeeded" if delivered.succeeded else "failed"
        self._count(names.WEBHOOK_ATTEMPTS, outcome)
        self._observe(names.WEBHOOK_DURATION, delivered.seconds, outcome)
        if delivered.arrived_after_s is not None:
            self._observe(names.WEBHOOK_LAG, delivered.arrived_after_s)

    def task_failed(self, task: str) -> None:
        """A task that this process does again and again has failed, and is done again."""
        self._count(names.TASK_FAILURES, task)

    def traceparent(self) -> str | None:
        """Where the work under way stands in its trace, if it is traced."""
        return self._traces.traceparent()

    def look_at(self, census: Census | None = None, probes: Sequence[Probe] = ()) -> None:
        """What to ask when somebody reads the page."""
        self._census = census or self._census
        self._probes.update({probe.name: probe for probe in probes})

    async def page(self) -> bytes:
        """All that was observed, in Prometheus' text format 0.0.4."""
        async with self._looking:
            if time.monotonic() - self._looked_at > LOOK_AGAIN_S:
                await asyncio.gather(self._count_transfers(), self._examine_dependencies())
                self._looked_at = time.monotonic()
        self._gauges[names.UNREADABLE].clear()
        for collection, count in UNREADABLE.counts().items():
            self._set(names.UNREADABLE, count, collection)
        return generate_latest(self._registry)

    async def _count_transfers(self) -> None:
        if self._census is None:
            return
        try:
            async with asyncio.timeout(PROBE_WITHIN_S):
                standing = await self._census.count()
        except Exception as error:  # numbers that are not known are left out, not made up
            logger.warning("the transfers under way cannot be counted: {!r}", error)
            self._gauges[names.IN_FLIGHT].clear()
            self._set(names.PARKED, float("nan"))
            self._set(names.PROOF_AGE, float("nan"))
            return
        for status, count in standing.in_flight.items():
            self._set(names.IN_FLIGHT, count, status.value)
        self._set(names.PARKED, standing.parked)
        if standing.proof is not None:
            self._show_proof(standing.proof)

    def _show_proof(self, proof: Proven) -> None:
        said = {
            "ok": proof.status == "ok" and not proof.is_stale,
            "violated": proof.status == "violated",
            "stale": proof.is_stale,
        }
        for status, holds in said.items():
            self._set(names.PROOF_STATUS, int(holds), status)
        self._set(names.PROOF_VIOLATIONS, proof.violations)
        self._set(names.PROOF_AGE, proof.age_s)
        self._set(names.PROOF_TRANSFERS, proof.transfers)
        self._set(names.TRANSIT_OLDEST, proof.oldest_in_transit_s)

    async def _examine_dependencies(self) -> None:
        probes = self._probes.values()
        for found in await asyncio.gather(*(examine(one, PROBE_WITHIN_S) for one in probes)):
            self._set(names.DEPENDENCY_UP, int(found.is_up), found.name)
            self._set(names.DEPENDENCY_BLOCKED, int(found.is_blocked), found.name)
            self._set(names.DEPENDENCY_LATENCY, found.latency_s, found.name)

    def _ended(self, transfer: Transfer) -> None:
        status = transfer.status.value
        self._count(names.TRANSFERS_ENDED, status, transfer.money.currency)
        if transfer.failure is not None:
            self._count(names.TRANSFER_FAILURES, transfer.failure.value)
        if transfer.completed_at is not None:
            took = transfer.completed_at - transfer.created_at
            self._observe(names.TRANSFER_DURATION, took.total_seconds(), status)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.meaning,
            metric.labels,
            buckets=metric.buckets,
            registry=self._registry,
        )

    def _count(self, metric: Metric, *labels: str) -> None:
        counter = self._counters[metric]
        (counter.labels(*labels) if labels else counter).inc()

    def _observe(self, metric: Metric, value: float, *labels: str) -> None:
        histogram = self._histograms[metric]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def _set(self, metric: Metric, value: float, *labels: str) -> None:
        gauge = self._gauges[metric]
        (gauge.labels(*labels) if labels else gauge).set(value)


def release() -> str:
    """The version that runs."""
    try:
        return version("payflow")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0+checkout"
