"""The relay: gives each journaled event its place in the feed, and hands it on.

Many may run; the one that holds the lease is active. It reads the journal's change stream in
batches. Where there is no stream, or its place in it is lost, it compares journal and feed.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from loguru import logger

from payflow.domain.errors import PayflowError, Trouble
from payflow.domain.event_ports import Deliveries, Feed
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.observability.periodic import Failures, heed_cancellation, run_periodically
from payflow.storage.feed_writer import FeedWriter, PlaceMoved, Superseded
from payflow.storage.journal_tail import JournalTail, StreamRefused
from payflow.storage.relay_lease import BEAT_S
from payflow.storage.relay_storage import RelayStorage
from workers.followers import (
    BusFollower,
    DeliveriesFollower,
    Follower,
    Wake,
    follow,
)

CAMPAIGN_S = 0.5  # between two looks at another's lease
AGAIN_S = 0.5  # after MongoDB did not answer
# At most one batch in this time: a batch costs 3-5 ms of CPU however many events it has, so under
# load many share it. The first event after a quiet moment waits for nobody.
PACE_S = 0.2
KEEP_TOKEN_S = 10.0  # how often a quiet relay renews its token; the oplog holds hours
POLL_S = 1.0  # without change streams, and five times as long as a comparison takes
RELEASE_WITHIN_S = 1.0


class Relay:
    """One candidate for the place of the active relay."""

    def __init__(
        self,
        storage: RelayStorage,
        feed: Feed,
        deliveries: Deliveries | None = None,
        elapsed: Callable[[], float] = time.monotonic,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._storage = storage
        self._lease = storage.lease()
        self._elapsed = elapsed
        self._observer = observer
        self._feed = feed
        self._followers: list[Follower] = [BusFollower(storage.bus, feed)]
        if deliveries is not None:
            self._followers.append(DeliveriesFollower(deliveries, storage.handed_over))

    async def run(self) -> None:
        """Stand by, and lead whenever nobody else does, until cancelled."""
        await run_periodically("relay", self._stand, CAMPAIGN_S, self._observer, at_once=True)

    async def _stand(self) -> None:
        epoch = await self._lease.campaign()
        if epoch is not None:
            # A task of its own: when a child of its group fails, Python 3.11 leaves the
            # group's task marked as cancelled, and this one would heed that.
            await asyncio.create_task(self._lead(epoch))

    async def _lead(self, epoch: int) -> None:
        wake = Wake(self._feed, self._observer)
        self._observer.leads(now=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat(epoch))
                group.create_task(self._relay(epoch, wake))
                for follower in self._followers:
                    group.create_task(follow(follower, wake, self._observer))
        except* Superseded:
            logger.warning("relay: epoch {} is over", epoch)
        finally:
            self._observer.leads(now=False)
            with suppress(PayflowError, TimeoutError):
                async with asyncio.timeout(RELEASE_WITHIN_S):
                    await self._lease.release(epoch)

    async def _beat(self, epoch: int) -> None:
        """Show that we live; while MongoDB is away nobody else can take over either."""
        while True:
            heed_cancellation()
            await asyncio.sleep(BEAT_S)
            try:
                leads = await self._lease.beat(epoch)
            except Trouble:
                continue
            if not leads:
                raise Superseded

    async def _relay(self, epoch: int, wake: Wake) -> None:
        """Go on where the feed stands, as often as something goes wrong, while the epoch lasts."""
        failures = Failures("relay", self._observer)
        while True:
            heed_cancellation()
            try:
                writer = await self._storage.writer(epoch)
                with suppress(PlaceMoved):
                    await self._stream_or_compare(writer, wake)
            except Superseded:
                raise
            except Exception as error:  # it goes on where the feed stands
                heed_cancellation()
                failures.note(error)
                await asyncio.sleep(AGAIN_S)

    async def _stream_or_compare(self, writer: FeedWriter, wake: Wake) -> None:
        try:
            async with self._storage.tail(writer.place.token) as tail:
                if writer.place.token is None:
                    await _compare(writer, wake, tail)
                await self._stream(writer, wake, tail)
        except StreamRefused as refused:
            logger.warning("relay: no change stream from here: {}", refused)
            if writer.place.token is not None:
                await writer.forget_token()  # another one, from now on, and a comparison
                return
            begun = self._elapsed()
            await _compare(writer, wake, None)
            await asyncio.sleep(max(POLL_S, 5 * (self._elapsed() - begun)))

    async def _stream(self, writer: FeedWriter, wake: Wake, tail: JournalTail) -> None:
        kept_at = self._elapsed()
        while True:
            heed_cancellation()
            batch = await tail.batch()
            begun = self._elapsed()
            if batch.documents:
                wake.add(await writer.append(batch))
                kept_at = begun
                await asyncio.sleep(max(0.0, PACE_S - (self._elapsed() - begun)))
            elif begun - kept_at > KEEP_TOKEN_S:
                await writer.caught_up(await writer.server_time(), batch.token)
                kept_at = begun


async def _compare(writer: FeedWriter, wake: Wake, tail: JournalTail | None) -> None:
    """Append what the journal has and the feed has not; then go on by the stream, if any."""
    at = await writer.server_time()
    before = writer.place.position
    async for events in writer.catch_up(tail.session if tail else None):
        wake.add(events)
    await writer.caught_up(at, tail.token if tail else None)
    if tail is not None:
        logger.info("relay: compared, {} events were missing", writer.place.position - before)
