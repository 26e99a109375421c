"""Those who take the feed's events in order after the relay has written them.

Each goes on from where it stood, whatever died; none holds up the feed or another.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from pymongo.errors import PyMongoError

from payflow.domain.errors import PayflowError
from payflow.domain.event_ports import Deliveries, Feed, FeedEvent
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.observability.periodic import Failures, heed_cancellation
from payflow.storage.event_bus import EventBus
from payflow.storage.feed import FEED
from payflow.storage.reading import unreadable
from payflow.storage.relay_storage import HandedOver

KEPT = 1_000  # events in memory, 2 kB each: who follows closely reads nothing again
AT_ONCE = 500  # events taken together
LOOK_AGAIN_S = 5.0  # should a wake-up ever be lost
AGAIN_S = 0.5  # after a failure


class Follower(Protocol):
    """Something that takes every event once or more often, oldest first."""

    @property
    def name(self) -> str:
        """Who it is, in the log."""
        ...

    async def start(self) -> int:
        """The position it has reached; asked again after each failure."""
        ...

    async def take(self, events: Sequence[FeedEvent]) -> None:
        """Take the events that follow the last ones."""
        ...


class Wake:
    """The feed's latest events, as the relay of this process wrote them."""

    def __init__(self, feed: Feed, observer: Observer = UNOBSERVED) -> None:
        self._feed = feed
        self._observer = observer
        self._latest: deque[FeedEvent] = deque(maxlen=KEPT)
        self._grown = asyncio.Event()

    def add(self, events: Sequence[FeedEvent]) -> None:
        """The feed has grown by these."""
        if not events:
            return
        if self._latest and events[0].position != self._latest[-1].position + 1:
            self._latest.clear()  # a commit that was in doubt landed: the feed has what we missed
        self._latest.extend(events)
        self._observer.placed([one.created_at for one in events])
        self._grown.set()
        self._grown = asyncio.Event()

    async def after(self, position: int) -> Sequence[FeedEvent]:
        """The next events after a position, as soon as there are any.

        Raises:
            BooksUnavailable: MongoDB does not answer.
        """
        read_it = not self._ends_at(position)  # who has the latest need not ask for more
        while True:
            heed_cancellation()
            grown = self._grown
            events: Sequence[FeedEvent] = self._remembered(position)
            if not events and read_it:
                events = await self._feed.after(position, user_id=None, limit=AT_ONCE)
            if events:
                return events
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await grown.wait()
            except TimeoutError:
                pass
            read_it = True

    def _ends_at(self, position: int) -> bool:
        return bool(self._latest) and self._latest[-1].position == position

    def _remembered(self, position: int) -> list[FeedEvent]:
        if not self._latest or self._latest[0].position > position + 1:
            return []
        skipped = position + 1 - self._latest[0].position
        return list(self._latest)[skipped : skipped + AT_ONCE]


class DeliveriesFollower:
    """Hands events to the webhooks and remembers durably up to where."""

    name = "deliveries"

    def __init__(self, deliveries: Deliveries, handed_over: HandedOver) -> None:
        self._deliveries = deliveries
        self._handed_over = handed_over

    async def start(self) -> int:
        """Where the last relay, this one or another, came to."""
        return await self._handed_over.position()

    async def take(self, events: Sequence[FeedEvent]) -> None:
        """Hand them over first: who dies before the cursor moves hands them over again."""
        await self._deliveries.schedule(events)
        await self._handed_over.reached(events[-1].position)


class BusFollower:
    """Publishes events in Redis; Redis itself knows up to where."""

    name = "event bus"

    def __init__(self, bus: EventBus, feed: Feed) -> None:
        self._bus = bus
        self._feed = feed

    async def start(self) -> int:
        """After the stream's last event."""
        return await self._bus.start(self._feed)

    async def take(self, events: Sequence[FeedEvent]) -> None:
        """Publish them."""
        await self._bus.publish(events)


async def follow(follower: Follower, wake: Wake, observer: Observer = UNOBSERVED) -> None:
    """Let it take event after event until cancelled; a failure is its own, and passes."""
    failures = Failures(follower.name, observer)
    while True:
        try:
            position = await follower.start()
            while True:
                events = await wake.after(position)
                await _take(follower, events)
                position = events[-1].position
                failures.over()
        except Exception as error:  # whatever fails there, the feed goes on
            heed_cancellation()
            failures.note(error)
        await asyncio.sleep(AGAIN_S)


async def _take(follower: Follower, events: Sequence[FeedEvent]) -> None:
    """Let it take the events, past those that it can never take.

    An event counts as one of those where others can be taken and it cannot. Where none can, the
    follower itself is at fault, and no event is passed over.
    """
    try:
        await follower.take(events)
    except (PayflowError, PyMongoError):
        raise
    except Exception:
        failed = {one.position: why for one in events if (why := await _refusal(follower, one))}
        if len(failed) == len(events):
            raise
        for position, why in failed.items():
            unreadable(FEED, position, f"{follower.name}: {why!r}")


async def _refusal(follower: Follower, event: FeedEvent) -> Exception | None:
    try:
        await follower.take([event])
    except (PayflowError, PyMongoError):
        raise
    except Exception as error:  # it may be this event's alone
        return error
    return None
