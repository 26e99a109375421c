"""Receipts and roots over MongoDB: sealed once, whoever seals, and by the order of the feed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from payflow.auth.keys import generate_jwk_set
from payflow.auth.statements import StatementKeys
from payflow.auth.trusted_keys import TrustedKeys
from payflow.domain import receipts as domain
from payflow.domain.errors import NotFound
from payflow.domain.events import GENESIS, EventType
from payflow.domain.receipt_errors import TransferNotTerminal
from payflow.domain.representation import rfc3339, transfer_object
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.proof import receipts as service
from payflow.proof.receipts import ReceiptNotProvable, Receipts
from payflow.settings import Settings
from payflow.storage.connection import open_client
from payflow.storage.receipts import MongoReceipts
from payflow.storage.transactions import Client
from tests.fakes import START, StandingClock, transfer

DATABASE = "payflow_receipts_contract"
DAY = timedelta(days=1)
KEYS = StatementKeys(generate_jwk_set())
TRUSTED = TrustedKeys({"keys": KEYS.public})


@dataclass
class Bench:
    """Feed and journal as the books write them, and a sealer whose clock is ours."""

    client: Client
    clock: StandingClock = field(default_factory=StandingClock)
    position: int = 0

    @property
    def database(self) -> Any:
        return self.client[DATABASE]

    def sealer(self, period_s: int = domain.DAY_S) -> Receipts:
        store = MongoReceipts(self.client, DATABASE)
        return Receipts(store, KEYS, self.clock, period_s=period_s)

    async def ended(self, name: str, at: datetime, *, placed: bool = True) -> Transfer:
        """A transfer whose debit was refused then; ``placed``: the feed tells of it already."""
        ended = replace(
            transfer(100, f"trf_{name}"),
            status=TransferStatus.FAILED,
            created_at=at - timedelta(seconds=1),
            updated_at=at,
            completed_at=at,
        )
        await self.database.journal.insert_many(
            [
                _entry(ended, "init", EventType.TRANSFER_INITIATED, ended.created_at),
                _entry(ended, "debit", EventType.TRANSFER_FAILED, at),
            ]
        )
        if placed:
            await self.place(ended)
        return ended

    async def place(self, *transfers: Transfer) -> None:
        """Let the feed tell of them, after everything else."""
        for one in transfers:
            self.position += 2
            event = _entry(one, "debit", EventType.TRANSFER_FAILED, one.updated_at)["event"]
            await self.database.feed.insert_one(
                {
                    "_id": self.position,
                    "event_id": event["id"],
                    "event": event,
                    "transfer_id": one.id,
                }
            )

    async def roots(self) -> list[dict[str, Any]]:
        """Every statement, oldest first; their chain holds."""
        page = await self.sealer().roots(100, None)
        found = [dict(one) for one in reversed(page.items)]
        previous, through = GENESIS, 0
        for one in found:
            assert TRUSTED.holds(one)
            assert (one["previous_hash"], one["after_position"]) == (previous, through)
            previous, through = one["hash"], one["through_position"]
        return found


def _entry(one: Transfer, leg: str, kind: EventType, at: datetime) -> dict[str, Any]:
    return {
        "_id": f"{one.id}:{leg}",
        "leg": leg,
        "outcome": None if leg == "init" else "refused",
        "transfer_id": one.id,
        "currency": "USD",
        "postings": [],
        "entry_id": f"ent_{one.id}:{leg}",
        "audience": [],
        "event": {
            "id": f"evt_{one.id}:{leg}",
            "type": kind.value,
            "sequence": 1,
            "created_at": rfc3339(at),
            "data": transfer_object(one),
        },
        "created_at": at,
    }


def holds(receipt: object) -> bool:
    return all(one.holds for one in domain.examine(receipt, TRUSTED.holds))


@pytest.fixture(scope="module")
async def client(pair: EmbeddedStack) -> AsyncIterator[Client]:
    settings = Settings(mongo_url=pair.addresses.mongo_url, mongo_database=DATABASE)
    async with open_client(settings) as opened:
        yield opened


@pytest.fixture
async def bench(client: AsyncMongoClient[dict[str, Any]]) -> Bench:
    made = Bench(client)
    for name in ("journal", "feed", "receipt_roots"):
        await made.database[name].delete_many({})
    return made


async def test_a_receipt_before_and_after_its_day_is_sealed(bench: Bench) -> None:
    one = await bench.ended("1", START + timedelta(hours=5))
    sealer = bench.sealer()
    bench.clock.move(DAY)
    assert await sealer.seal_due() == 0  # what was on its way at midnight may still come
    early = await sealer.of(one)
    assert holds(early)
    assert early["inclusion"] is None
    assert early["available_after"] == "2026-01-02T00:01:00.000Z"
    bench.clock.move(timedelta(minutes=1))
    assert await sealer.seal_due() == 1
    late = await sealer.of(one)
    assert holds(late)
    assert late["available_after"] is None
    assert late["inclusion"]["root"] == await sealer.root("2026-01-01")
    assert [entry["key"] for entry in late["entries"]] == ["trf_1:init", "trf_1:debit"]
    under_way = replace(one, id="trf_0", status=TransferStatus.DEBITED)
    with pytest.raises(TransferNotTerminal, match="debited"):
        await sealer.of(under_way)
    with pytest.raises(NotFound):
        await sealer.root("2026-01-02")


async def test_the_order_of_the_feed_decides_the_day(bench: Bench) -> None:
    first = await bench.ended("1", START + timedelta(hours=1))
    late = await bench.ended("2", START + timedelta(hours=2), placed=False)
    after = await bench.ended("3", START + DAY + timedelta(hours=1))
    await bench.place(late)
    bench.clock.move(2 * DAY + timedelta(hours=1))
    assert await bench.sealer().seal_due() == 2
    dates = [(await bench.sealer().of(one))["inclusion"]["root"]["date"] for one in (first, late)]
    assert dates == ["2026-01-01", "2026-01-02"]  # it came after one of the next day's
    assert holds(await bench.sealer().of(after))
    # one that comes when even that is sealed is told to wait for today
    last = await bench.ended("4", START + timedelta(hours=3))
    assert (await bench.sealer().of(last))["available_after"] == "2026-01-04T00:01:00.000Z"


async def test_missed_days_are_caught_up_with_also_those_without_transfers(bench: Bench) -> None:
    assert await bench.sealer().seal_due() == 0  # nothing has ever ended
    await bench.ended("1", START)
    await bench.ended("2", START + 3 * DAY)
    bench.clock.move(5 * DAY)
    assert await bench.sealer().seal_due() == 4
    assert await bench.sealer().seal_due() == 0
    found = await bench.roots()
    assert [(one["date"], one["leaves"]) for one in found] == [
        ("2026-01-01", 1),
        ("2026-01-02", 0),
        ("2026-01-03", 0),
        ("2026-01-04", 1),
    ]
    page = await bench.sealer().roots(3, None)
    assert [one["date"] for one in page.items] == ["2026-01-04", "2026-01-03", "2026-01-02"]
    rest = await bench.sealer().roots(3, page.next_key)
    assert [one["date"] for one in rest.items] == ["2026-01-01"]
    assert rest.next_key is None


async def test_many_sealers_seal_each_period_once(bench: Bench) -> None:
    ended = [await bench.ended(str(n), START + n * DAY / 4) for n in range(12)]
    bench.clock.move(4 * DAY)
    await asyncio.gather(*(bench.sealer().seal_due() for _ in range(6)))
    assert [one["leaves"] for one in await bench.roots()] == [4, 4, 4]
    for one in ended:
        assert holds(await bench.sealer().of(one))


async def test_every_transfer_of_a_tree_of_many_tiles_is_proved(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TILE", 4)
    ended = [await bench.ended(str(n), START + timedelta(minutes=n)) for n in range(11)]
    bench.clock.move(2 * DAY)
    assert await bench.sealer().seal_due() == 1
    for number, one in enumerate(ended):
        receipt = await bench.sealer().of(one)
        assert holds(receipt)
        assert receipt["inclusion"]["index"] == number


async def test_periods_of_another_length_follow_without_a_gap(bench: Bench) -> None:
    await bench.ended("1", START)
    bench.clock.move(DAY + timedelta(minutes=1))
    assert await bench.sealer().seal_due() == 1
    await bench.ended("2", START + DAY + timedelta(minutes=7))
    bench.clock.move(timedelta(minutes=10))
    assert await bench.sealer(period_s=300).seal_due() == 2
    bench.clock.move(DAY)
    assert await bench.sealer().seal_due() == 1
    found = await bench.roots()
    assert [(one["date"], one["ends_at"][5:16], one["leaves"]) for one in found] == [
        ("2026-01-01", "01-02T00:00", 1),
        ("2026-01-02", "01-02T00:05", 0),
        ("2026-01-02T000500Z", "01-02T00:10", 1),
        ("2026-01-02T001000Z", "01-03T00:00", 0),
    ]


async def test_books_that_were_altered_have_no_proof(bench: Bench) -> None:
    one, other = [await bench.ended(name, START) for name in ("1", "2")]
    bench.clock.move(2 * DAY)
    assert await bench.sealer().seal_due() == 1
    altered = {"$set": {"event.data.amount": 99}}
    await bench.database.journal.update_one({"_id": "trf_1:debit"}, altered)
    for each in (one, other):  # its neighbour's proof leads over it
        with pytest.raises(ReceiptNotProvable):
            await bench.sealer().of(each)
    await bench.database.journal.delete_many({"transfer_id": one.id})
    with pytest.raises(ReceiptNotProvable):
        await bench.sealer().of(other)
