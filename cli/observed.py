"""What a process shows of itself while it runs: logs, metrics and traces, opened and closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from loguru import logger

from payflow.domain.observing import Observer
from payflow.observability.logs import configure_logs
from payflow.observability.metrics import Metrics
from payflow.observability.metrics_door import metrics_door
from payflow.observability.periodic import run_periodically
from payflow.observability.sdk_metrics import SdkMetrics
from payflow.observability.traces import open_traces
from payflow.settings import Environment, Settings
from temporal.runtime import measured_runtime

DRAIN_EVERY_S = 1.0  # the SDK's buffer holds some 50 s of a busy process
_HAS_A_DOOR = ("api", "serve")


@asynccontextmanager
async def observed(settings: Settings, role: str) -> AsyncIterator[Observer]:
    """Logs first, traces before the clients they follow; ``/metrics`` as the role has it."""
    async with AsyncExitStack() as held:
        traces = open_traces(settings, role)
        held.callback(traces.close)
        configure_logs(settings, role, traces.ids)
        if settings.env is Environment.PRODUCTION and settings.codec_keys is None:
            logger.warning("PAYFLOW_CODEC_KEYS is empty: Temporal stores payloads readable")
        has_door = role in _HAS_A_DOOR
        if not has_door and settings.metrics_port is None:
            yield Metrics(role, traces)
            return
        sdk = SdkMetrics(measured_runtime())
        metrics = Metrics(role, traces, [sdk])
        await held.enter_async_context(_drained(sdk))
        if not has_door and settings.metrics_port is not None:
            door = metrics_door(settings.metrics_host, settings.metrics_port, metrics.page)
            await held.enter_async_context(door)
        yield metrics


@asynccontextmanager
async def _drained(sdk: SdkMetrics) -> AsyncIterator[None]:
    async def drain() -> None:
        sdk.drain()

    draining = asyncio.create_task(run_periodically("sdk metrics", drain, DRAIN_EVERY_S))
    try:
        yield
    finally:
        draining.cancel()
        with suppress(asyncio.CancelledError):
            await draining
