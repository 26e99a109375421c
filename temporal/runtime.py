"""The SDK's runtime of a process that shows metrics: it keeps them until they are asked for."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio.runtime import (
    MetricBuffer,
    MetricBufferDurationFormat,
    Runtime,
    TelemetryConfig,
)

# About 40 updates a transfer and a drain each second: room for some 1,000 transfers a second.
BUFFERED_UPDATES = 50_000


def measured_runtime() -> Callable[[], Sequence[Any]]:
    """Make every client of this process from now on tell its metrics.

    Returns:
        What empties the buffer; durations are in seconds. It must be called often: a full
        buffer drops what comes.
    """
    buffer = MetricBuffer(BUFFERED_UPDATES, MetricBufferDurationFormat.SECONDS)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=buffer))
    Runtime.set_default(runtime, error_if_already_set=False)
    return buffer.retrieve_updates
