"""Back-pressure: refused at the door, and never after it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.batch_ports import BatchOrder
from payflow.domain.batches import Batch, BatchMode
from payflow.domain.errors import TooManyUnfinished
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.money import Money
from payflow.domain.ports import IdempotencyClaim, TransferOrder, Written
from payflow.domain.transfers import Transfer
from payflow.domain.users import Principal, Role
from payflow.settings import Environment, Settings
from payflow.storage import door
from payflow.storage.factory import Storage, open_storage
from payflow.storage.identity import new_id
from tests.contracts.conftest import ORIGIN


@pytest.fixture
async def narrow(
    pair: EmbeddedStack, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Storage]:
    """Books of the test's own that let in eight unfinished transfers, counted at each request."""
    monkeypatch.setattr(door, "COUNT_AGAIN_S", -1.0)
    settings = Settings(
        env=Environment.TEST,
        mongo_url=pair.addresses.mongo_url,
        redis_url=pair.addresses.redis_url,
        mongo_database=f"payflow_{abs(hash(request.node.name)) % 10**9}",
        max_unfinished=8,
    )
    async with open_storage(settings) as storage:
        yield storage


@dataclass
class Payer:
    """Somebody with two wallets, without money."""

    storage: Storage
    name: str
    order: TransferOrder

    @classmethod
    async def of(cls, storage: Storage, name: str) -> "Payer":
        mine, other = [await storage.wallets.open(name, "USD", None) for _ in range(2)]
        order = TransferOrder(name, mine.id, Money(1, "USD"), destination_wallet_id=other.id)
        return cls(storage, name, order)

    def claim(self) -> IdempotencyClaim:
        return IdempotencyClaim(self.name, new_id(Prefix.EVENT), "hash")

    async def pay(self, claim: IdempotencyClaim | None = None) -> Written[Transfer]:
        return await self.storage.transfers.accept(self.order, claim or self.claim())

    async def batch(self, items: int, claim: IdempotencyClaim | None = None) -> Written[Batch]:
        order = BatchOrder(self.name, BatchMode.INDEPENDENT, [self.order] * items)
        return await self.storage.batches.accept(order, claim or self.claim())

    async def ends(self, transfer_id: str) -> None:
        answer = await self.storage.books.take(LegRequest(transfer_id, Leg.DEBIT), ORIGIN)
        assert not answer.applied  # an empty wallet: refused, and so finished


async def test_a_payer_has_half_of_the_places_and_is_let_in_again(narrow: Storage) -> None:
    alice, bob = [await Payer.of(narrow, name) for name in ("usr_ALICE", "usr_BOB")]
    first, refused = alice.claim(), alice.claim()
    accepted = [await alice.pay(one) for one in (first, *[alice.claim() for _ in range(3)])]
    for _ in range(2):
        with pytest.raises(TooManyUnfinished, match="your transfers"):
            await alice.pay(refused)
    with pytest.raises(TooManyUnfinished, match="your transfers"):
        await alice.batch(1)
    assert (await alice.pay(first)).thing == accepted[0].thing
    assert not (await bob.pay()).replayed
    await alice.ends(accepted[1].thing.id)
    assert not (await alice.pay(refused)).replayed


async def test_a_full_house_refuses_new_transfers_and_serves_accepted_ones(
    narrow: Storage,
) -> None:
    alice, bob, carol = [await Payer.of(narrow, f"usr_{name}") for name in ("A", "B", "C")]
    accepted = [await who.pay() for who in (alice, bob) for _ in range(4)]
    refused = carol.claim()
    with pytest.raises(TooManyUnfinished, match="cannot answer"):
        await carol.pay(refused)
    await alice.ends(accepted[0].thing.id)
    assert not (await carol.pay(refused)).replayed


async def test_the_items_of_a_batch_count(narrow: Storage) -> None:
    alice, bob, carol = [await Payer.of(narrow, f"usr_{name}") for name in ("A", "B", "C")]
    with pytest.raises(TooManyUnfinished, match="your transfers"):
        await alice.batch(5)
    first = alice.claim()
    made = await alice.batch(4, first)
    assert (await alice.batch(4, first)).replayed
    with pytest.raises(TooManyUnfinished, match="your transfers"):
        await alice.pay()
    await bob.pay()
    with pytest.raises(TooManyUnfinished, match="cannot answer"):
        await carol.batch(4)
    assert not (await carol.batch(3)).replayed
    with pytest.raises(TooManyUnfinished, match="cannot answer"):
        await bob.pay()
    page = await narrow.batches.items(
        made.thing.id, Principal(alice.name, Role.USER), limit=4, after=None
    )
    for item in page.items:
        await alice.ends(item.id)
    assert not (await bob.batch(3)).replayed


async def test_batches_at_the_same_moment_do_not_pass_the_limit_together(
    narrow: Storage,
) -> None:
    alice, bob = [await Payer.of(narrow, f"usr_{name}") for name in ("A", "B")]
    found = await asyncio.gather(
        *(who.batch(2) for who in (alice, bob) for _ in range(5)), return_exceptions=True
    )
    accepted = [one for one in found if not isinstance(one, BaseException)]
    assert 1 <= len(accepted) <= 4
    assert {type(one) for one in found if isinstance(one, BaseException)} == {TooManyUnfinished}
