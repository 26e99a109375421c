"""A MongoDB behind a proxy, which takes what is asked and loses what is answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from cli.stack import EmbeddedStack
from tests.chaos.fault_proxy import FaultProxy, by_way_of, fault_proxy

T = TypeVar("T")

ARRIVES_IN_S = 0.3  # ten times what MongoDB takes for it
SOON_S = 5.0


@asynccontextmanager
async def proxied_mongo(stack: EmbeddedStack) -> AsyncIterator[tuple[str, FaultProxy]]:
    """The stack's MongoDB by another address, and the proxy that stands there."""
    url = stack.addresses.mongo_url
    async with fault_proxy(urlsplit(url).port or 0) as proxy:
        yield by_way_of(proxy.port, url, query="directConnection=true"), proxy


async def lose_answers(proxy: FaultProxy, asked: Awaitable[T]) -> T:
    """What is asked arrives; its answers do not, and then the connection ends."""
    proxy.deafen()
    asking = asyncio.ensure_future(asked)
    await asyncio.sleep(ARRIVES_IN_S)
    assert not asking.done()
    proxy.reset()
    return await asyncio.wait_for(asking, SOON_S)


async def lose_the_commit(
    proxy: FaultProxy, asked: Awaitable[T], monkeypatch: pytest.MonkeyPatch
) -> T:
    """All is answered but the next commit, which arrives; then the connection ends."""
    finish = AsyncClientSession._finish_transaction

    async def lose(session: AsyncClientSession, *args: Any) -> dict[str, Any]:
        monkeypatch.undo()
        return await lose_answers(proxy, finish(session, *args))

    monkeypatch.setattr(AsyncClientSession, "_finish_transaction", lose)
    found = await asyncio.wait_for(asked, SOON_S)
    assert AsyncClientSession._finish_transaction is finish
    return found
