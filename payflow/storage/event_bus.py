"""The event bus: a bounded Redis stream with the latest events, their positions as its ids.

It is a copy. Whoever needs every event reads the feed; whoever only wants to know soon listens
here. What the stream misses while Redis is away is filled in from the feed when it is back.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from payflow.domain.errors import PayflowError
from payflow.domain.event_ports import Feed, FeedEvent
from payflow.storage.redis_away import REDIS_AWAY

FIELD = b"event"
POLL_S = 0.25  # one indexed read of the feed per process, four times a second


class BusUnavailable(PayflowError):
    """Redis does not answer, or has lost the stream."""

    code = "event_bus_unavailable"


class EventBus:
    """The stream of one database's events."""

    def __init__(self, redis: Redis, database: str, max_length: int) -> None:
        self._redis = redis
        self._max_length = max_length
        self._may_make = False
        self.key = f"{database}:events"

    async def start(self, feed: Feed) -> int:
        """The position to publish from: after the stream's last event, and never too far back.

        Raises:
            BusUnavailable, BooksUnavailable.
        """
        newest = await feed.last_position()
        try:
            position = _position(await self._redis.xrevrange(self.key, count=1))
            if position > newest:  # a stream of books that are no more
                await self._redis.delete(self.key)
                position = 0
        except REDIS_AWAY as error:
            raise BusUnavailable(str(error)) from error
        self._may_make = position == 0
        return max(position, newest - self._max_length)

    async def publish(self, events: Sequence[FeedEvent]) -> None:
        """Add the events that follow the last one.

        Raises:
            BusUnavailable: call ``start`` again, and go on from there.
        """
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for event in events:
                    # a stream that is gone is not begun in the middle: `start` fills it first
                    pipe.xadd(
                        self.key,
                        {FIELD: _text(event)},
                        id=f"{event.position}-0",
                        maxlen=self._max_length,
                        approximate=True,
                        nomkstream=not self._may_make,
                    )
                    self._may_make = False
                added = await pipe.execute()
        except REDIS_AWAY as error:
            raise BusUnavailable(str(error)) from error
        if None in added:
            raise BusUnavailable("the stream is gone")

    async def wait(self, position: int, within_s: float) -> None:
        """Return when the stream has an event after ``position``, or the time is over.

        While Redis is away it returns after ``POLL_S``, so that who waits looks into the feed.
        """
        try:
            await self._redis.xread(
                {self.key: f"{position}-0"}, count=1, block=max(1, int(within_s * 1000))
            )
        except REDIS_AWAY:
            await asyncio.sleep(min(POLL_S, within_s))


def _position(entries: Sequence[Any] | None) -> int:
    """Of the only entry, or 0: an entry's id is ``{position}-0``."""
    return int(entries[0][0].partition(b"-")[0]) if entries else 0


def _text(event: FeedEvent) -> str:
    content = {**event.body, "position": event.position, "audience": event.audience}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
