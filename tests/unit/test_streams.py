"""Streams: no gap and no repetition where the past meets the present, and no growth of memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from api.errors import TooManyStreams
from api.streams import BUFFER, PAGE, StreamClosed, Streams, TooSlow, Wanted
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
        async for one in events:
            assert one is not None
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
            found = await anext(events)
            assert found is not None
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
            assert await anext(stream)
        both = [asyncio.create_task(anext(stream)) for stream in (slow, quick)]  # they listen
        await asyncio.sleep(0.1)
        for position in range(2, BUFFER + 3):
            feed.add(event(position))
            if position == 2:
                await asyncio.gather(*both)
            else:
                heard = await anext(quick)
                assert heard is not None
                assert heard.position == position
        feed.add(event(BUFFER + 3))
        assert await anext(quick)
        with pytest.raises(TooSlow):
            await anext(slow)
        async with aclosing(streams.events(Wanted("usr_ALICE"), 2)) as again:
            resumed = await anext(again)
            assert resumed is not None
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
        assert await anext(events) is None
        streams.close()
        with pytest.raises(StreamClosed):
            await anext(events)
    with pytest.raises(TooManyStreams), streams.admitted():
        pass
