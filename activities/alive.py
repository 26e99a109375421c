"""Heartbeats: a worker that dies is noticed long before its activity's time is up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

ALIVE_EVERY_S = 1.0


@asynccontextmanager
async def alive() -> AsyncIterator[None]:
    """Say every second that this activity lives; one that ends sooner says nothing."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
