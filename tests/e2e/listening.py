"""A client of the event streams: what an EventSource does, on httpx."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import httpx

from cli.event_stream import lines_of
from cli.ports import TRUST_NOBODY
from tests.e2e.bank import Json, Person


@dataclass(frozen=True)
class Heard:
    """One event as it came over the wire."""

    id: int
    type: str
    body: Json


class Listening:
    """An open stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = lines_of(answer.aiter_bytes())
        self.comments = 0
        self.starts_after: int | None = None
        self.heard: list[Heard] = []
        self.ended: Json | None = None  # why, where the server says it

    async def events(self) -> AsyncGenerator[Heard, None]:
        """Event after event until the stream ends."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields.get("event") == "stream.ended":
                self.ended = json.loads(fields["data"])
                fields = {}
            elif "data" in fields:
                event = Heard(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                self.heard.append(event)
                yield event
                fields = {}
            else:
                if "id" in fields:
                    self.starts_after = int(fields["id"])
                fields = {}

    async def next(self, count: int) -> list[Heard]:
        """The next events, so many of them."""
        found: list[Heard] = []
        async with asyncio.timeout(30), aclosing(self.events()) as events:
            async for event in events:
                found.append(event)
                if len(found) == count:
                    return found
        raise AssertionError(f"the stream ended after {len(found)} of {count} events")

    async def until_start(self) -> None:
        """Return when the server has said what position the stream starts after."""
        async with asyncio.timeout(30):
            async for line in self._lines:
                if line.startswith("id: "):
                    self.starts_after = int(line.removeprefix("id: "))
                    return

    async def until_comment(self) -> None:
        """Return when the server has sent another comment."""
        before = self.comments
        async with asyncio.timeout(30):
            async for line in self._lines:
                self.comments += line.startswith(":")
                if self.comments > before:
                    return

    async def to_the_end(self) -> list[Heard]:
        """All events there are, until the server ends the stream."""
        async with asyncio.timeout(30):
            return [event async for event in self.events()]


@asynccontextmanager
async def listening(
    url: str, path: str, who: Person, last_event_id: int | None = None
) -> AsyncIterator[Listening]:
    """An open stream of an API, on a connection of its own."""
    headers = dict(who.headers)
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    timeout = httpx.Timeout(40, read=60)
    async with (
        httpx.AsyncClient(
            base_url=url, timeout=timeout, trust_env=False, verify=TRUST_NOBODY
        ) as client,
        client.stream("GET", path, headers=headers) as answer,
    ):
        if answer.status_code != 200:
            await answer.aread()
        yield Listening(answer)
