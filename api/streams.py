"""The open event streams of this process: one reader of the feed, many who listen.

Who joins first catches up from the feed by position, then listens; what both bring is passed on
once. Nothing is kept here that another process does not have: a stream that ends is resumed
anywhere, after the last position the client saw.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from api.errors import TooManyOwnStreams, TooManyStreams
from payflow.domain.errors import PayflowError
from payflow.domain.event_ports import Feed, FeedEvent, News
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.observability.periodic import Failures

PAGE = 200  # events a catch-up reads at once, about 400 kB
BUFFER = 500  # events that may wait for one reader; who lets more wait is cut off
NEWS_S = 1.0  # how long the feed is not looked at when nobody says that it has grown
SETTLE_S = 0.02  # events come in groups; and no more than 50 looks a second for nothing
# Of the streams of a process one account has a tenth at most, and one address half: many people
# may share an address. Where a process serves few, a client's tabs still find room.
ACCOUNT_SHARE, ADDRESS_SHARE = 1 / 10, 1 / 2
FEWEST = 10
AGAIN_S = 0.5  # after MongoDB did not answer


class TooSlow(PayflowError):
    """A stream is over: its reader let too many events wait."""

    code = "too_slow"

    def __init__(self) -> None:
        super().__init__("Too many events were waiting; come again with Last-Event-ID.")


class StreamClosed(PayflowError):
    """A stream is over: the server drains; the stream goes on elsewhere."""

    code = "stream_closed"


@dataclass(frozen=True, slots=True)
class Start:
    """What a stream begins with: the position that everything in it comes after.

    A client that has heard of no event yet resumes there, or what happens until it comes again
    would be lost.
    """

    position: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a stream is about; ``user_id`` None is everybody's."""

    user_id: str | None = None
    types: tuple[str, ...] = ()
    transfer_id: str | None = None

    def matches(self, event: FeedEvent) -> bool:
        """Whether the event is one of them."""
        return (
            (self.user_id is None or self.user_id in event.audience)
            and (not self.types or event.type in self.types)
            and (self.transfer_id is None or self.transfer_id == event.transfer_id)
        )

    @property
    def key(self) -> str:
        """What the reader of the feed finds the stream by: a transfer, a user, or everything."""
        return self.transfer_id or self.user_id or ""


Streamed = Start | FeedEvent | None  # what a stream brings; None: nothing for a while


class _Listener:
    """One stream's events that were read and not sent yet."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._waiting: deque[FeedEvent] = deque()
        self._woken = asyncio.Event()
        self._ended: PayflowError | None = None

    def offer(self, event: FeedEvent) -> None:
        """Let it wait for the stream, unless too many wait already."""
        if not self.wanted.matches(event):
            return
        if len(self._waiting) >= BUFFER:
            self.end(TooSlow())
        else:
            self._waiting.append(event)
            self._woken.set()

    def end(self, why: PayflowError) -> None:
        """The stream is over; what waits is forgotten, for it can be read again."""
        self._ended = self._ended or why
        self._waiting.clear()
        self._woken.set()

    async def next(self, within_s: float) -> FeedEvent | None:
        """The next event, or None when there is none for so long.

        Raises:
            TooSlow, StreamClosed.
        """
        if not self._waiting and self._ended is None:
            self._woken.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._woken.wait()
            except TimeoutError:
                return None
        if self._ended is not None:
            raise self._ended
        return self._waiting.popleft()


class Streams:
    """Admits streams, and lets one reader of the feed serve them all."""

    def __init__(  # two parts, three limits, and who is told
        self,
        feed: Feed,
        news: News,
        *,
        at_most: int,
        heartbeat_s: float,
        life_s: float,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._observer = observer
        self._feed = feed
        self._news = news
        self._at_most = at_most
        self._heartbeat_s = heartbeat_s
        self.life_s = life_s  # a stream outlives its access token by no more than this
        self._open = 0
        self._of_account: Counter[str] = Counter()
        self._of_address: Counter[str] = Counter()
        self._listeners: defaultdict[str, set[_Listener]] = defaultdict(set)
        self._reader: asyncio.Task[None] | None = None
        self._position = 0
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End every stream; called when the server begins to drain."""
        self.closing.set()
        for listener in [one for some in self._listeners.values() for one in some]:
            listener.end(StreamClosed())

    @contextmanager
    def admitted(self, account: str = "", address: str = "") -> Iterator[None]:
        """One more open stream, of that account from that address.

        Raises:
            TooManyStreams: this process serves as many as it may.
            TooManyOwnStreams: the account or the address has its share of them.
        """
        if self._open >= self._at_most or self.closing.is_set():
            raise TooManyStreams
        self._open += 1
        try:
            with (
                self._share(self._of_account, account, ACCOUNT_SHARE, "Your account"),
                self._share(self._of_address, address, ADDRESS_SHARE, "Your address"),
            ):
                yield
        finally:
            self._open -= 1

    @contextmanager
    def _share(self, taken: Counter[str], owner: str, share: float, whose: str) -> Iterator[None]:
        most = max(FEWEST, int(self._at_most * share))
        if taken[owner] >= most:
            raise TooManyOwnStreams(most, whose)
        taken[owner] += 1
        try:
            yield
        finally:
            taken[owner] -= 1
            if not taken[owner]:
                del taken[owner]

    async def events(self, wanted: Wanted, after: int | None) -> AsyncGenerator[Streamed, None]:
        """Where it starts, then the wanted events after a position (None: from now on).

        None is a heartbeat.

        Raises:
            TooSlow, StreamClosed: the stream is over; it can be resumed.
            BooksUnavailable: MongoDB does not answer; the stream can be resumed.
        """
        position = after
        if position is not None:
            yield Start(position)
            async for event in self._past(wanted, position):
                position = event.position
                yield event
        await self._reading()
        with self._listening(wanted) as listener:
            if position is None:
                position = self._position
                yield Start(position)
            else:  # what came between the last page and our joining
                async for event in self._past(wanted, position):
                    position = event.position
                    yield event
            while True:
                heard = await listener.next(self._heartbeat_s)
                if heard is None:
                    yield None
                elif heard.position > position:
                    position = heard.position
                    yield heard

    async def _past(self, wanted: Wanted, position: int) -> AsyncGenerator[FeedEvent, None]:
        page: Sequence[FeedEvent] | None = None
        while page is None or len(page) == PAGE:
            page = await self._feed.after(
                position,
                user_id=wanted.user_id,
                types=wanted.types,
                transfer_id=wanted.transfer_id,
                limit=PAGE,
            )
            for event in page:
                if self.closing.is_set():
                    raise StreamClosed
                position = event.position
                yield event

    @contextmanager
    def _listening(self, wanted: Wanted) -> Iterator[_Listener]:
        listener = _Listener(wanted)
        self._listeners[wanted.key].add(listener)
        if self.closing.is_set():
            listener.end(StreamClosed())
        try:
            yield listener
        finally:
            others = self._listeners[wanted.key]
            others.discard(listener)
            if not others:
                del self._listeners[wanted.key]
            if not self._listeners and self._reader is not None:
                self._reader.cancel()
                self._reader = None

    async def _reading(self) -> None:
        """See to it that the feed is read; from now on nothing passes unheard."""
        if self._reader is None or self._reader.done():
            position = await self._feed.last_position()
            if self._reader is None or self._reader.done():  # nobody else was faster
                self._position = position
                self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        failures = Failures("streams", self._observer)
        while True:
            try:
                events = await self._feed.after(self._position, user_id=None, limit=BUFFER)
                for event in events:
                    self._hand_out(event)
                if not events:
                    await self._news.wait(self._position, NEWS_S)
                    await asyncio.sleep(SETTLE_S)
                failures.over()
            except Exception as error:  # the streams go on when it is over
                failures.note(error)
                await asyncio.sleep(AGAIN_S)

    def _hand_out(self, event: FeedEvent) -> None:
        self._position = event.position
        for key in {"", event.transfer_id or "", *event.audience}:
            for listener in self._listeners.get(key, ()):
                listener.offer(event)
