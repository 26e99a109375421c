"""The Temporal SDK's own metrics on the same page as ours, from the updates it buffers."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol, SupportsInt

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

# Seconds: a poll waits up to 70, a workflow task takes milliseconds.
_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
# What is known to be bounded; anything else the SDK may say is left out.
_LABELS = (
    "namespace",
    "operation",
    "task_queue",
    "workflow_type",
    "activity_type",
    "worker_type",
    "poller_type",
    "status_code",
    "failure_reason",
)
_COUNTER, _GAUGE, _HISTOGRAM = 0, 1, 2  # temporalio.runtime.BUFFERED_METRIC_KIND_*
_UNSAFE = re.compile(r"\W")


class Instrument(Protocol):
    """A metric of the SDK's."""

    @property
    def name(self) -> str:
        """Such as ``temporal_request``."""
        ...

    @property
    def description(self) -> str | None:
        """What it means, when the SDK says so."""
        ...

    @property
    def kind(self) -> SupportsInt:
        """0 counter, 1 gauge, 2 histogram."""
        ...


class Update(Protocol):
    """One value of a metric; of a counter, how much was added."""

    @property
    def metric(self) -> Instrument:
        """Which one."""
        ...

    @property
    def value(self) -> int | float:
        """How much; durations in seconds."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Its labels."""
        ...


@dataclass(slots=True)
class _Series:
    total: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))


@dataclass(slots=True)
class _Known:
    name: str
    meaning: str
    kind: int
    labels: tuple[str, ...]
    series: dict[tuple[str, ...], _Series] = field(default_factory=dict)


class SdkMetrics(Collector):
    """Adds the SDK's updates up; ``drain`` often enough that its buffer never fills.

    Args:
        retrieve: empties the SDK's buffer and returns what was in it.
    """

    def __init__(self, retrieve: Callable[[], Sequence[Update]]) -> None:
        self._retrieve = retrieve
        self._known: dict[str, _Known] = {}
        self._one_at_a_time = Lock()

    def drain(self) -> None:
        """Take in what happened since the last time."""
        with self._one_at_a_time:
            for update in self._retrieve():
                self._take(update)

    def collect(self) -> Iterable[Metric]:
        """Everything so far, by name."""
        self.drain()
        return [_family(known) for known in self._known.values()]

    def _take(self, update: Update) -> None:
        instrument = update.metric
        known = self._known.get(instrument.name)
        if known is None:
            labels = tuple(name for name in _LABELS if name in update.attributes)
            known = self._known[instrument.name] = _Known(
                _UNSAFE.sub("_", instrument.name),
                instrument.description or "Told by the Temporal SDK.",
                int(instrument.kind),
                labels,
            )
        key = tuple(str(update.attributes.get(name, "")) for name in known.labels)
        series = known.series.setdefault(key, _Series())
        if known.kind == _GAUGE:
            series.total = update.value
        else:
            series.total += update.value
        if known.kind == _HISTOGRAM:
            series.buckets[bisect_left(_SECONDS, update.value)] += 1


def _family(known: _Known) -> Metric:
    if known.kind == _HISTOGRAM:
        histogram = HistogramMetricFamily(
            f"{known.name}_seconds", known.meaning, labels=known.labels
        )
        for key, series in known.series.items():
            histogram.add_metric(key, _cumulated(series.buckets), series.total)
        return histogram
    make = CounterMetricFamily if known.kind == _COUNTER else GaugeMetricFamily
    family = make(known.name, known.meaning, labels=known.labels)
    for key, series in known.series.items():
        family.add_metric(key, series.total)
    return family


def _cumulated(buckets: Sequence[int]) -> list[tuple[str, float]]:
    total, cumulated = 0, []
    for bound, count in zip([*map(str, _SECONDS), "+Inf"], buckets, strict=True):
        total += count
        cumulated.append((bound, float(total)))
    return cumulated
