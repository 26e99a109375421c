"""Writes in line: sent one behind the other, each with its own answer, all of them or none."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.pool import Pool
from pymongo.errors import AutoReconnect, DuplicateKeyError

from cli.stack import EmbeddedStack
from payflow.domain.errors import BooksUnavailable
from payflow.storage.commands import Write, changes, in_line, insertion
from payflow.storage.connection import open_client
from payflow.storage.transactions import (
    Client,
    Collection,
    WriteConflict,
    in_transaction,
    is_transient,
    snapshot_session,
)
from tests.contracts.losing import SOON_S, lose_the_commit, proxied_mongo
from tests.webhooks.post import settings_for

MANY = 50


def client_at(pair: EmbeddedStack, mongo_url: str) -> Client:
    return open_client(settings_for(pair).model_copy(update={"mongo_url": mongo_url}))


@pytest.fixture
async def client(pair: EmbeddedStack) -> AsyncIterator[Client]:
    async with client_at(pair, pair.addresses.mongo_url) as opened:
        yield opened


@pytest.fixture
async def kept(client: Client) -> AsyncIterator[Collection]:
    collection = client["payflow_lines"]["kept"]
    await collection.drop()
    await collection.insert_one({"_id": "there", "version": 1})
    yield collection
    await collection.drop()


def raised(kept: Collection, version: int, due: int = 1) -> Write:
    query = {"_id": "there", "version": version}
    return changes(kept, [{"q": query, "u": {"$inc": {"version": 1}}}], due)


async def ids_in(kept: Collection) -> set[str]:
    return {fields["_id"] async for fields in kept.find()}


def pool_of(client: Client) -> Pool:
    (server,) = client._topology._servers.values()
    return server.pool


async def test_what_is_sent_in_line_is_written_together(client: Client, kept: Collection) -> None:
    async def work(session: AsyncClientSession) -> None:
        async with in_line(session) as line:
            for version in range(1, MANY):
                line.send(raised(kept, version))  # each finds what the one before it wrote
            line.send(insertion(kept, [{"_id": "new"}, {"_id": "newer"}]))
        assert await ids_in(kept) == {"there"}

    await in_transaction(client, work)
    assert await ids_in(kept) == {"there", "new", "newer"}
    assert await kept.find_one({"_id": "there"}) == {"_id": "there", "version": MANY}


async def test_a_line_is_one_connection_and_answers_in_order(
    client: Client, kept: Collection
) -> None:
    everybody = {"q": {}, "u": {"$set": {"marked": True}}, "multi": True}
    async with snapshot_session(client) as session, in_line(session) as line:
        line.send(raised(kept, 1))
        line.send(raised(kept, 1, due=0))  # it is 2 by now
        line.send(insertion(kept, [{"_id": str(number)} for number in range(MANY)]))
        line.send(changes(kept, [everybody], MANY + 1))
        await line.answered()
        assert await kept.count_documents({"marked": True}, session=session) == MANY + 1
    with pytest.raises(WriteConflict):  # the control: one answer less than is due
        async with snapshot_session(client) as session, in_line(session) as line:
            line.send(raised(kept, 1))
            line.send(changes(kept, [everybody], 2))


@pytest.mark.parametrize("commits", [False, True])
async def test_the_first_that_fails_tells_why_and_nothing_is_written(
    client: Client, kept: Collection, commits: bool
) -> None:
    async def work(session: AsyncClientSession) -> None:
        async with in_line(session, commits=commits) as line:
            line.send(insertion(kept, [{"_id": "new"}]))
            line.send(insertion(kept, [{"_id": "there"}]))
            line.send(raised(kept, 1))  # the transaction is over by now, which is not the reason

    with pytest.raises(DuplicateKeyError):
        await in_transaction(client, work)
    assert await ids_in(kept) == {"there"}


@pytest.mark.parametrize("commits", [False, True])
async def test_a_guard_that_does_not_match_undoes_the_line(
    client: Client, kept: Collection, commits: bool
) -> None:
    async def work(session: AsyncClientSession) -> None:
        async with in_line(session, commits=commits) as line:
            line.send(raised(kept, 7))
            line.send(insertion(kept, [{"_id": "new"}]))

    with pytest.raises(BooksUnavailable) as given_up:
        await in_transaction(client, work, retry_for_s=0.0)
    assert isinstance(given_up.value.__cause__, WriteConflict)
    assert await ids_in(kept) == {"there"}


async def test_a_line_of_the_last_writes_commits_them(client: Client, kept: Collection) -> None:
    async with snapshot_session(client) as session:
        async with in_line(session, commits=True) as line:
            line.send(raised(kept, 1))
            line.send(insertion(kept, [{"_id": "new"}]))
        assert not session.in_transaction
    assert await ids_in(kept) == {"there", "new"}


async def test_a_commit_without_an_answer_is_repeated_and_not_the_work(
    pair: EmbeddedStack, kept: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    async def work(session: AsyncClientSession) -> None:
        ran.append(session)
        async with in_line(session, commits=True) as line:
            line.send(raised(kept, 1))

    async with proxied_mongo(pair) as (url, proxy), client_at(pair, url) as theirs:
        await lose_the_commit(proxy, in_transaction(theirs, work), monkeypatch)
    assert len(ran) == 1
    assert await kept.find_one({"_id": "there"}) == {"_id": "there", "version": 2}


async def test_two_lines_on_one_document_conflict(client: Client, kept: Collection) -> None:
    async with snapshot_session(client) as first, in_line(first) as line:
        line.send(raised(kept, 1))
        await line.answered()
        async with snapshot_session(client) as second:
            with pytest.raises(Exception, match="conflict") as conflict:
                async with in_line(second) as other:
                    other.send(raised(kept, 1))
                    other.send(insertion(kept, [{"_id": "new"}]))
            assert is_transient(conflict.value)


async def test_an_error_of_ours_leaves_no_answer_to_the_next(
    client: Client, kept: Collection
) -> None:
    async def work(session: AsyncClientSession) -> None:
        async with in_line(session) as line:
            line.send(raised(kept, 1))
            await asyncio.sleep(0)
            raise ValueError("documents could not be made")

    with pytest.raises(ValueError, match="could not be made"):
        await in_transaction(client, work)
    found = await asyncio.gather(*(kept.find_one({"_id": "there"}) for _ in range(20)))
    assert found == [{"_id": "there", "version": 1}] * 20


async def test_a_line_that_is_cut_may_be_run_again(client: Client, kept: Collection) -> None:
    tries = []

    async def work(session: AsyncClientSession) -> None:
        tries.append(session)
        async with in_line(session) as line:
            line.send(raised(kept, 1))
            await line.answered()
            line.send(insertion(kept, [{"_id": "new"}]))
            if len(tries) == 1:
                await asyncio.sleep(0)
                await pool_of(client).reset(interrupt_connections=True)
                await pool_of(client).ready()

    await asyncio.wait_for(in_transaction(client, work), SOON_S)
    assert len(tries) == 2
    assert await kept.find_one({"_id": "there"}) == {"_id": "there", "version": 2}


async def test_who_waits_in_line_hears_that_it_was_interrupted(
    client: Client, kept: Collection
) -> None:
    async with snapshot_session(client) as session:
        with pytest.raises(AutoReconnect) as cut:
            async with in_line(session) as line:
                line.send(raised(kept, 1))
                line.send(insertion(kept, [{"_id": "new"}]))
                await asyncio.sleep(0)
                await pool_of(client).reset(interrupt_connections=True)
        assert is_transient(cut.value)
    await pool_of(client).ready()
    assert await ids_in(kept) == {"there"}
