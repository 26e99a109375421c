"""What the things a process depends on answer, and how fast: for readiness and for metrics."""

import asyncio
import time
from dataclasses import dataclass

from loguru import logger

from payflow.domain.ports import DependencyBlocked, Probe


@dataclass(frozen=True, slots=True)
class Examined:
    """One dependency, asked once."""

    name: str
    is_up: bool
    latency_s: float
    is_blocked: bool = False


async def examine(probe: Probe, within_s: float) -> Examined:
    """Ask it; what has not answered within ``within_s`` is down for whoever asks."""
    begun, is_up, is_blocked = time.perf_counter(), False, False
    try:
        async with asyncio.timeout(within_s):
            await probe.check()
        is_up = True
    except DependencyBlocked:
        is_blocked = True
    except Exception as error:  # whatever a driver raises, it did not answer
        logger.warning("{} does not answer: {!r}", probe.name, error)
    return Examined(probe.name, is_up, time.perf_counter() - begun, is_blocked)
