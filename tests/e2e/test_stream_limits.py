"""Open streams have a limit, show that they live, and never hold up a server that stops."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cli.stack import EmbeddedStack, StackOptions
from tests.conftest import TEST_ENV
from tests.e2e.bank import Bank
from tests.e2e.listening import listening


@pytest.fixture(scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """A process that serves two streams at most, and says often that they live."""
    env = {**TEST_ENV, "PAYFLOW_STREAMS_MAX": "2", "PAYFLOW_STREAMS_HEARTBEAT_S": "0.2"}
    options = StackOptions(tmp_path_factory.mktemp("small"), env=env)
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def stack(small: EmbeddedStack) -> EmbeddedStack:
    return small


async def test_one_stream_too_many_is_refused_until_another_ends(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice = await bank.funded(100)
    url, path = stack.addresses.api_url, "/v1/events/stream"
    async with listening(url, path, alice, 0) as first:
        async with listening(url, path, alice), listening(url, path, alice) as third:
            assert third.answer.status_code == 503
            assert third.answer.json()["code"] == "too_many_streams"
            assert int(third.answer.headers["retry-after"]) >= 1
        status = 503
        async with asyncio.timeout(30):
            while status == 503:
                async with listening(url, path, alice) as again:
                    status = again.answer.status_code
        assert status == 200
        assert [event.type for event in await first.next(1)] == ["wallet.deposited"]


async def test_an_open_stream_beats_and_ends_in_good_order_when_its_server_stops(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice = await bank.funded(100)
    url = stack.addresses.api_url
    async with listening(url, "/v1/events/stream", alice, 0) as stream:
        await stream.next(1)
        while stream.comments < 3:
            await stream.until_comment()
        stopping = asyncio.create_task(stack.take_down("serve"))
        assert await stream.to_the_end() == []  # ended by the server, not cut
        await stopping
    await stack.bring_up("serve")
