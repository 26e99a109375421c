"""Waits for what other processes do."""

import asyncio
import time
from collections.abc import Callable

LOOK_EVERY_S = 0.02


async def eventually(holds: Callable[[], object], within_s: float = 10.0) -> None:
    """Return as soon as it holds; fail when it does not within the time."""
    async with asyncio.timeout(within_s):
        await until(holds)


async def until(holds: Callable[[], object]) -> None:
    """Return as soon as it holds."""
    while True:
        if holds():
            return
        await asyncio.sleep(LOOK_EVERY_S)


def eventually_sync(holds: Callable[[], object], within_s: float = 10.0) -> None:
    """As ``eventually``, for a test that has no loop."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"did not hold within {within_s} s"
        time.sleep(LOOK_EVERY_S)
