"""A thousand callers give their reads up while there is no primary: run as a program.

    python -m tests.contracts.giving_up KIND MONGO_URL

A process of its own, since a client that is blocked cannot be closed. It prints ``away`` once it
is connected, reads for ``READS_S`` while MongoDB is away, waits for a line on its standard input,
and prints how many of five reads are answered then.
"""

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from payflow.domain.errors import PayflowError
from payflow.settings import Settings
from payflow.storage.connection import open_client
from payflow.storage.transactions import Client
from payflow.storage.uncancelled import Calls

READS_S = 6.0
CALLERS = 1_000
PAUSE_S = 0.3
BACK_FOR_S = 3.0  # what was begun while MongoDB was away has ended by then

Read = Callable[[], Awaitable[Any]]


class Reader:
    """Reads one document: a store."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self) -> Any:
        return await self._client["payflow"]["tried"].find_one({})


def stock(url: str) -> Client:
    """The driver as it comes, with our limits."""
    return AsyncMongoClient(url, serverSelectionTimeoutMS=2_000)


def reads(kind: str, url: str) -> Read:
    """One read through the driver as it comes, behind ``Calls``, or through our own client."""
    if kind == "ours":
        return Reader(open_client(Settings(mongo_url=url))).read
    reader = Reader(stock(url))
    return (Calls().wrap(reader) if kind == "uncancelled" else reader).read


async def give_up(read: Read) -> None:
    """Begin to read, and be cancelled twice within 20 ms, as by a time limit and a shutdown."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    reading = asyncio.ensure_future(read())
    after_s = random.choice((0.5, 1.0)) + random.uniform(0, 0.03)
    loop.call_later(after_s, reading.cancel)
    loop.call_later(after_s + random.uniform(0.0001, 0.02), reading.cancel)
    await asyncio.wait([reading])
    with suppress(asyncio.CancelledError):
        reading.exception()
    if loop.time() - begun < PAUSE_S:  # refused at once
        await asyncio.sleep(PAUSE_S)


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # to the test


async def main(kind: str, url: str) -> None:
    loop = asyncio.get_running_loop()
    read = reads(kind, url)
    await read()
    say("away")
    await loop.run_in_executor(None, sys.stdin.readline)  # it is away
    ends = loop.time() + READS_S

    async def caller() -> None:
        while loop.time() < ends:
            await give_up(read)

    callers = [asyncio.ensure_future(caller()) for _ in range(CALLERS)]
    await asyncio.wait(callers, timeout=2 * READS_S)
    say("back")
    await loop.run_in_executor(None, sys.stdin.readline)  # it is back
    await asyncio.sleep(BACK_FOR_S)
    answered = 0
    for _ in range(5):
        with suppress(TimeoutError, PyMongoError, PayflowError):
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(read())), 5)
            answered += 1
    say(str(answered))


if __name__ == "__main__":
    asyncio.new_event_loop().run_until_complete(partial(main, *sys.argv[1:])())
    os._exit(0)  # a blocked client's callers never end
