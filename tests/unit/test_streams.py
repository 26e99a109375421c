"""Streams: no gap and no repetition where the past meets the present, and no growth of memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import TooManyOwnStreams, TooManyStreams
from api.event_stream import event_text, start_text
from api.streams import BUFFER, FEWEST, PAGE, Start, StreamClosed, Streams, TooSlow, Wanted
from cli.event_stream import Frame, frames_of
from payflow.domain.event_ports import FeedEvent
from tests.fakes_feed import InMemoryFeed, event


@pytest.fixture
async def feed() -> InMemoryFeed:
    return InMemoryFeed()


@pytest.fixture
async def streams(feed: InMemoryFeed) -> AsyncIterator[Streams]:
    opened = Streams(feed, feed, at_most=2, heartbeat_s=30, life_s=30)
    yield opened
    opened.close()


async def test_the_past_and_the_present_meet_without_gap_or_repetition(
    feed: InMemoryFeed, streams: Streams
) -> None:
    for position in range(1, 2 * PAGE):
        feed.add(event(position))
    last = 4 * PAGE

    async def grow() -> None:
        for position in range(2 * PAGE, last + 1):
            feed.add(event(position))
            await asyncio.sleep(0)

    growing = asyncio.create_task(grow())
    seen = []
    async with asyncio.timeout(20), aclosing(streams.events(Wanted("usr_ALICE"), 0)) as events:
        assert await anext(events) == Start(0)
        async for one in events:
            assert isinstance(one, FeedEvent)
            seen.append(one.position)
            if one.position == last:
                break
    await growing
    assert seen == list(range(1, last + 1))


async def test_each_stream_gets_what_it_wants_and_nothing_else(
    feed: InMemoryFeed, streams: Streams
) -> None:
    feed.add(event(1))
    wanted = [
        Wanted("usr_BOB"),
        Wanted(),
        Wanted(transfer_id="trf_1"),
        Wanted("usr_ALICE", ("transfer.completed",)),
    ]

    async def first_of(one: Wanted) -> int:
        async with aclosing(streams.events(one, None)) as events:
            assert await anext(events) == Start(1)
            found = await anext(events)
            assert isinstance(found, FeedEvent)
            return found.position

    listening = [asyncio.create_task(first_of(one)) for one in wanted]
    await asyncio.sleep(0.1)  # they listen from now on; what was before is none of theirs
    feed.add(event(2, audience=["usr_ALICE"]))
    feed.add(event(3, audience=["usr_EVE"], transfer_id="trf_1"))
    feed.add(event(4, audience=["usr_BOB"]))
    feed.add(event(5, "transfer.completed"))
    async with asyncio.timeout(20):
        assert await asyncio.gather(*listening) == [4, 2, 3, 5]


async def test_a_reader_who_takes_nothing_is_cut_off_and_others_are_not(
    feed: InMemoryFeed, streams: Streams
) -> None:
    feed.add(event(1))
    slow, quick = streams.events(Wanted("usr_ALICE"), 0), streams.events(Wanted("usr_ALICE"), 0)
    async with asyncio.timeout(20), aclosing(slow), aclosing(quick):
        for stream in (slow, quick):
            assert [await anext(stream), await anext(stream)] == [Start(0), event(1)]
        both = [asyncio.create_task(anext(stream)) for stream in (slow, quick)]  # they listen
        await asyncio.sleep(0.1)
        for position in range(2, BUFFER + 3):
            feed.add(event(position))
            if position == 2:
                await asyncio.gather(*both)
            else:
                heard = await anext(quick)
                assert isinstance(heard, FeedEvent)
                assert heard.position == position
        feed.add(event(BUFFER + 3))
        assert await anext(quick)
        with pytest.raises(TooSlow):
            await anext(slow)
        async with aclosing(streams.events(Wanted("usr_ALICE"), 2)) as again:
            assert await anext(again) == Start(2)
            resumed = await anext(again)
            assert isinstance(resumed, FeedEvent)
            assert resumed.position == 3


async def test_no_more_streams_are_admitted_than_allowed(streams: Streams) -> None:
    with streams.admitted():
        with streams.admitted(), pytest.raises(TooManyStreams), streams.admitted():
            pass
        with streams.admitted():
            pass


async def test_a_stream_that_is_silent_beats_and_a_closing_server_ends_it(
    feed: InMemoryFeed,
) -> None:
    streams = Streams(feed, feed, at_most=2, heartbeat_s=0.01, life_s=30)
    async with aclosing(streams.events(Wanted("usr_ALICE"), None)) as events:
        assert await anext(events) == Start(0)
        assert await anext(events) is None
        streams.close()
        with pytest.raises(StreamClosed):
            await anext(events)
    with pytest.raises(TooManyStreams), streams.admitted():
        pass


async def test_what_happens_between_two_connections_of_a_quiet_stream_is_not_lost(
    feed: InMemoryFeed, streams: Streams
) -> None:
    feed.add(event(1))
    async with aclosing(streams.events(Wanted("usr_ALICE"), None)) as events:
        start = await anext(events)
    assert start == Start(1)
    feed.add(event(2))  # no connection is open
    async with aclosing(streams.events(Wanted("usr_ALICE"), start.position)) as events:
        assert [await anext(events), await anext(events)] == [Start(1), event(2)]


async def read(wire: bytes) -> list[Frame]:
    async def chunks() -> AsyncIterator[bytes]:
        yield wire

    return [frame async for frame in frames_of(chunks())]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ENDS = st.sampled_from(["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n", "\r\n\r\n"])


@given(st.lists(TEXT | ENDS, max_size=6).map("".join))
def test_no_text_of_an_event_is_a_line_of_its_own(text: str) -> None:
    body = {"position": 7, "type": "transfer.completed", "data": {text: f"\nid: 9\n\n{text}"}}
    wire = start_text(6) + event_text(body)
    start, frame = asyncio.run(read(wire))
    assert start == Frame(id="6")
    assert (frame.id, frame.event, json.loads(frame.data or "")) == ("7", body["type"], body)


async def test_an_account_and_an_address_have_a_share_of_the_streams(feed: InMemoryFeed) -> None:
    streams = Streams(feed, feed, at_most=40, heartbeat_s=30, life_s=30)
    with ExitStack() as opened:
        for number in range(FEWEST):
            opened.enter_context(streams.admitted("usr_ALICE", f"203.0.113.{number}"))
        with pytest.raises(TooManyOwnStreams, match="Your account"), streams.admitted("usr_ALICE"):
            pass
        for number in range(20):
            opened.enter_context(streams.admitted(f"usr_{number}", "198.51.100.1"))
        with (
            pytest.raises(TooManyOwnStreams, match="Your address"),
            streams.admitted("usr_BOB", "198.51.100.1"),
        ):
            pass
        with streams.admitted("usr_BOB", "198.51.100.2"):
            pass
    with streams.admitted("usr_ALICE", "198.51.100.1"):
        pass
