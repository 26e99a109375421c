"""The bell closes even where its client keeps a cancellation to itself."""

import asyncio
from typing import cast

from redis.asyncio import Redis

from payflow.storage.bell import TerminalBell


class Greedy:
    """A client that connects without end, and takes the first cancellation for its own."""

    def __init__(self) -> None:
        self.connecting = asyncio.Event()
        self.taken = 0

    def pubsub(self) -> "Greedy":
        return self

    async def __aenter__(self) -> "Greedy":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def subscribe(self, _: str) -> None:
        self.connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.taken += 1
            if self.taken > 1:
                raise
            await asyncio.Event().wait()


async def test_a_swallowed_cancellation_is_said_again() -> None:
    redis = Greedy()
    async with asyncio.timeout(10):
        async with TerminalBell(cast(Redis, redis)):
            await redis.connecting.wait()
    assert redis.taken == 1
