"""The bell tells who waits here first, and closes even where its client keeps a cancellation."""

import asyncio
from typing import cast

from redis.asyncio import Redis

from payflow.domain.transfers import Transfer, TransferStatus
from payflow.storage.bell import CHANNEL, TerminalBell
from tests.fakes import transfer


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


class Wire:
    """Takes down what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str]] = []

    async def publish(self, channel: str, message: str) -> None:
        self.published.append((channel, message))


async def never() -> Transfer:
    raise AssertionError("who is told the transfer need not ask the books")


def ended(transfer_id: str) -> Transfer:
    return transfer(transfer_id=transfer_id, status=TransferStatus.COMPLETED)


async def test_who_waits_elsewhere_is_told_at_once_when_nobody_waits_here() -> None:
    wire = Wire()
    TerminalBell(cast(Redis, wire)).ring([ended("trf_1"), ended("trf_2")])
    await asyncio.sleep(0)
    assert wire.published == [(CHANNEL, "trf_1,trf_2")]


async def test_who_waits_here_is_told_first_and_the_others_together() -> None:
    wire = Wire()
    bell = TerminalBell(cast(Redis, wire))
    waits = [asyncio.create_task(bell.wait(one, 5.0, never)) for one in ("trf_1", "trf_2")]
    await asyncio.sleep(0)
    bell.ring([ended("trf_1")])
    bell.ring([ended("trf_2")])
    assert [found.id for found in await asyncio.gather(*waits)] == ["trf_1", "trf_2"]
    assert wire.published == []

    async with asyncio.timeout(5):
        while not wire.published:
            await asyncio.sleep(0.001)
    assert wire.published == [(CHANNEL, "trf_1,trf_2")]
