"""Answers of MongoDB are lost: what was asked is done once, and who asked hears of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.errors import BooksUnavailable
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.money import Money
from payflow.domain.movements import MovementKind
from payflow.domain.ports import IdempotencyClaim, MovementOrder, Origin, TransferOrder, Written
from payflow.domain.transfers import Transfer
from payflow.domain.users import Principal, Role
from payflow.storage.factory import Storage, open_storage
from payflow.storage.identity import new_id
from tests.chaos.fault_proxy import FaultProxy
from tests.contracts.losing import lose_answers, lose_the_commit, proxied_mongo
from tests.unit.test_security_headers import production

OWNER = Principal("usr_OWNER", Role.USER)
ORIGIN = Origin("workflow", "run", "1", 1)
FUNDS, AMOUNT = 100, 5
LEGS = [Leg.DEBIT, Leg.CREDIT, Leg.POST]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Books behind a proxy, and two wallets, of which the first has money."""

    storage: Storage
    proxy: FaultProxy
    source: str
    destination: str

    @property
    def order(self) -> TransferOrder:
        return TransferOrder(
            OWNER.user_id, self.source, Money(AMOUNT, "USD"), destination_wallet_id=self.destination
        )

    async def balance(self, wallet_id: str) -> int:
        return (await self.storage.wallets.get(wallet_id, OWNER)).balance


@pytest.fixture
async def doubt(pair: EmbeddedStack) -> AsyncIterator[Doubt]:
    async with proxied_mongo(pair) as (url, proxy):
        # elsewhere each step reads rehearsal's rules first, and would lose that answer
        settings = production(
            mongo_url=url, redis_url=pair.addresses.redis_url, mongo_database="payflow_doubt"
        )
        async with open_storage(settings) as storage:
            source, destination = [
                (await storage.wallets.open(OWNER.user_id, "USD", None)).id for _ in range(2)
            ]
            deposit = MovementOrder(MovementKind.DEPOSIT, source, Money(FUNDS, "USD"), None)
            await storage.wallets.move(deposit, claim(), OWNER)
            yield Doubt(storage, proxy, source, destination)


def claim() -> IdempotencyClaim:
    return IdempotencyClaim(OWNER.user_id, new_id(Prefix.EVENT), "hash")


async def check_accepted_once(
    doubt: Doubt, key: IdempotencyClaim, written: Written[Transfer]
) -> None:
    assert not written.replayed
    again = await doubt.storage.transfers.accept(doubt.order, key)
    assert again.replayed
    assert again.thing == written.thing
    unfinished = await doubt.storage.transfers.unfinished()
    ours = [one for one in unfinished.values() if one.source_wallet_id == doubt.source]
    assert ours == [written.thing]


async def test_an_acceptance_that_was_cut_is_made_once(doubt: Doubt) -> None:
    key = claim()
    written = await lose_answers(doubt.proxy, doubt.storage.transfers.accept(doubt.order, key))
    await check_accepted_once(doubt, key, written)


async def test_an_acceptance_whose_commit_was_not_heard_of_is_made_once(
    doubt: Doubt, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = claim()
    accepting = doubt.storage.transfers.accept(doubt.order, key)
    await check_accepted_once(
        doubt, key, await lose_the_commit(doubt.proxy, accepting, monkeypatch)
    )


@pytest.mark.parametrize("lost", ["answers", "commit"])
@pytest.mark.parametrize("leg", LEGS)
async def test_a_leg_is_taken_once_whatever_was_heard_of_it(
    doubt: Doubt, leg: Leg, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = doubt.storage.books
    transfer = (await doubt.storage.transfers.accept(doubt.order, claim())).thing
    for other in LEGS:
        asked = LegRequest(transfer.id, other)
        if other is leg and lost == "commit":
            taken = await lose_the_commit(doubt.proxy, books.take(asked, ORIGIN), monkeypatch)
            assert taken.applied
        elif other is leg:
            with pytest.raises(BooksUnavailable):
                await lose_answers(doubt.proxy, books.take(asked, ORIGIN))
        assert (await books.take(asked, ORIGIN)).applied
    assert (await doubt.storage.transfers.get(transfer.id, OWNER)).status == "completed"
    assert await doubt.balance(doubt.source) == FUNDS - AMOUNT
    assert await doubt.balance(doubt.destination) == AMOUNT
