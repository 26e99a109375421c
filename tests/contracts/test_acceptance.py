"""Accepting: each for itself, though they are written together."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.errors import IdempotencyKeyReused, NotFound
from payflow.domain.identifiers import Prefix
from payflow.domain.money import Money
from payflow.domain.ports import IdempotencyClaim, TransferOrder
from payflow.settings import Environment, Settings
from payflow.storage.factory import Storage, open_storage
from payflow.storage.identity import new_id

OWNER = "usr_OWNER"


@pytest.fixture
async def store(pair: EmbeddedStack) -> AsyncIterator[Storage]:
    settings = Settings(
        env=Environment.TEST,
        mongo_url=pair.addresses.mongo_url,
        redis_url=pair.addresses.redis_url,
        mongo_database="payflow_acceptance",
    )
    async with open_storage(settings) as storage:
        yield storage


async def wallets(store: Storage) -> list[str]:
    return [(await store.wallets.open(OWNER, "USD", None)).id for _ in range(2)]


def claim(key: str, request_hash: str = "hash") -> IdempotencyClaim:
    return IdempotencyClaim(OWNER, key, request_hash)


async def test_one_taken_key_among_many_concerns_no_other(store: Storage) -> None:
    alice, bob = await wallets(store)
    order = TransferOrder(OWNER, alice, Money(5, "USD"), destination_wallet_id=bob)
    keys = [new_id(Prefix.TRANSFER) for _ in range(60)]
    first = await store.transfers.accept(order, claim(keys[7]))
    written = await asyncio.gather(*(store.transfers.accept(order, claim(key)) for key in keys))
    assert [keys[at] for at, one in enumerate(written) if one.replayed] == [keys[7]]
    assert written[7].thing == first.thing
    assert len({one.thing.id for one in written}) == 60


async def test_a_key_at_once_and_again_is_one_transfer(store: Storage) -> None:
    alice, bob = await wallets(store)
    order = TransferOrder(OWNER, alice, Money(5, "USD"), destination_wallet_id=bob)
    key = new_id(Prefix.TRANSFER)
    written = await asyncio.gather(*(store.transfers.accept(order, claim(key)) for _ in range(40)))
    assert len({one.thing.id for one in written}) == 1
    assert sum(not one.replayed for one in written) == 1


async def test_a_taken_key_answers_before_the_body_is_judged(store: Storage) -> None:
    alice, bob = await wallets(store)
    order = TransferOrder(OWNER, alice, Money(5, "USD"), destination_wallet_id=bob)
    key = new_id(Prefix.TRANSFER)
    first = await store.transfers.accept(order, claim(key))
    elsewhere = TransferOrder("usr_OTHER", alice, Money(5, "USD"), destination_wallet_id=bob)
    assert (await store.transfers.accept(elsewhere, claim(key))).thing == first.thing
    with pytest.raises(IdempotencyKeyReused):
        await store.transfers.accept(elsewhere, claim(key, "other"))
    with pytest.raises(NotFound):  # the control: a new key, and the body is judged
        await store.transfers.accept(elsewhere, claim(new_id(Prefix.TRANSFER)))
