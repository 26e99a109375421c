"""How the SDK's core runs in a process: on how many threads, and what becomes of its metrics."""

import os
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


def one_core_thread() -> None:
    """Let the core run on one thread, where ``TOKIO_WORKER_THREADS`` does not say otherwise.

    It takes one for each of the machine's cores and hands every message from one to the other,
    but whatever it has to say waits for Python, which is on one core. With one thread it was 5 %
    more transfers a second. To be called before the first client: the runtime reads it once.
    """
    os.environ.setdefault("TOKIO_WORKER_THREADS", "1")


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
