"""Attempts over the real MongoDB: noted once, limited, sealed for good, found by the sealer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from payflow.domain.identifiers import Prefix
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.settings import Settings
from payflow.storage.attempt_log import KEPT_OF_A_TRANSFER, AttemptLog, write_notes
from payflow.storage.connection import bind_documents
from payflow.storage.identity import new_id
from payflow.storage.mapping import from_transfer
from payflow.storage.timelines import MongoTimelines
from payflow.storage.transactions import Collection
from tests.fakes import START, StandingClock, transfer
from tests.unit.test_attempts import attempt

DATABASE = "payflow_timelines"


@pytest.fixture
async def client(pair: EmbeddedStack) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    settings = Settings(mongo_url=pair.addresses.mongo_url, mongo_database=DATABASE)
    opened: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(settings.mongo_url, tz_aware=True)
    async with opened:
        await bind_documents(opened, settings)
        yield opened


@pytest.fixture
def kept(client: AsyncMongoClient[dict[str, Any]]) -> Collection:
    return client[DATABASE]["timelines"]


@pytest.fixture
def store(client: AsyncMongoClient[dict[str, Any]]) -> MongoTimelines:
    return MongoTimelines(client, DATABASE, StandingClock())


async def ended(client: AsyncMongoClient[dict[str, Any]], *, running: bool = False) -> Transfer:
    status = TransferStatus.DEBITED if running else TransferStatus.COMPLETED
    subject = transfer(
        transfer_id=new_id(Prefix.TRANSFER),
        status=status,
        completed_at=None if running else START,
    )
    await client[DATABASE]["transfers"].insert_one(from_transfer(subject))
    return subject


async def test_a_note_is_written_once_and_read_as_it_was(
    client: AsyncMongoClient[dict[str, Any]], store: MongoTimelines, kept: Collection
) -> None:
    subject = await ended(client)
    failed = attempt(1, failure="ConnectionError: away")
    answered = replace(attempt(2, 1), outcome="applied", settles=True, reckoned=True)
    async with AttemptLog(kept) as log:
        log.note(subject.id, answered)
        log.note(subject.id, failed)
        log.note(subject.id, failed)
    record = await store.record(subject)
    assert record.noted.attempts == (failed, answered)
    assert not record.noted.sealed
    assert (await store.record(await ended(client))).noted.attempts == ()


async def test_a_seal_takes_nothing_more_and_is_made_once(
    client: AsyncMongoClient[dict[str, Any]], store: MongoTimelines, kept: Collection
) -> None:
    subject = await ended(client)
    await write_notes(kept, [(subject.id, attempt(1))])
    await store.seal(subject.id, [attempt(1), attempt(2, 1)])
    await store.seal(subject.id, [])
    await write_notes(kept, [(subject.id, attempt(3, 2)), (other := "trf_OTHER", attempt(1))])
    noted = (await store.record(subject)).noted
    assert (noted.attempts, noted.sealed) == ((attempt(1), attempt(2, 1)), True)
    beside = await kept.find_one({"_id": other})
    assert beside is not None  # a seal it meets holds up no other note
    assert len(beside["attempts"]) == 1


async def test_the_sealer_finds_what_ended_and_nothing_else(
    client: AsyncMongoClient[dict[str, Any]], store: MongoTimelines, kept: Collection
) -> None:
    over, running, calm = (
        await ended(client),
        await ended(client, running=True),
        await ended(client),
    )
    await write_notes(kept, [(one.id, attempt(1)) for one in (over, running)])
    found = {one.id for one in (await store.unsealed(1_000)).transfers}
    assert over.id in found
    assert not found & {running.id, calm.id}
    await store.seal(over.id, [attempt(1)])
    assert over.id not in {one.id for one in (await store.unsealed(1_000)).transfers}


async def test_one_transfer_is_given_no_more_than_its_room(kept: Collection) -> None:
    room = {"_id": "trf_FULL", "sealed": False, "attempts": {}, "noted": KEPT_OF_A_TRANSFER - 1}
    await kept.replace_one({"_id": "trf_FULL"}, room, upsert=True)
    for number in (1, 2):
        await write_notes(kept, [("trf_FULL", attempt(number))])
    full = await kept.find_one({"_id": "trf_FULL"})
    assert full is not None
    assert list(full["attempts"]) == ["run-1:3:1"]


async def test_notes_wait_for_a_mongodb_that_is_away(kept: Collection) -> None:
    nobody: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        "mongodb://127.0.0.1:9/", serverSelectionTimeoutMS=50
    )
    async with nobody, AttemptLog(nobody[DATABASE]["timelines"]) as log:
        log.note("trf_WAITED", attempt(1))
        await asyncio.sleep(0.2)
        log._timelines = kept  # MongoDB is back
    found = await kept.find_one({"_id": "trf_WAITED"})
    assert found is not None


async def test_what_is_unsealed_is_found_by_its_index(kept: Collection) -> None:
    plan = await kept.database.command(
        {"explain": {"find": kept.name, "filter": {"sealed": False}, "sort": {"_id": 1}}}
    )
    assert "unsealed" in str(plan["queryPlanner"]["winningPlan"])
    assert "SORT'" not in str(plan["queryPlanner"]["winningPlan"])


async def test_acts_are_read_from_both_logs_each_once(
    client: AsyncMongoClient[dict[str, Any]], store: MongoTimelines
) -> None:
    subject = await ended(client)
    line = {
        "_id": f"act_{subject.id}",
        "at": START,
        "actor_id": "usr_OPERATOR",
        "verb": "resolve",
        "subject_id": subject.id,
        "reason": "the bank says so",
        "outcome": "approved",
    }
    own = {
        "_id": line["_id"],
        "transfer_id": subject.id,
        "operator": "usr_OPERATOR",
        "verb": "resolve",
        "reason": "the bank says so",
        "outcome": "approved",
        "at": START,
        "approved_by": "usr_OTHER",
        "leg": "credit",
        "resolution": "settled_outside",
        "evidence": "ref 4711",
    }
    only_audited = {**line, "_id": f"act_2_{subject.id}", "at": START + timedelta(seconds=1)}
    database = client[DATABASE]
    await database["audit"].insert_many([line, only_audited])
    await database["operator_acts"].insert_one(own)
    acts = (await store.record(subject)).acts
    assert [(act.approved_by, act.about) for act in acts] == [
        ("usr_OTHER", "credit settled_outside ref 4711"),
        (None, None),
    ]
