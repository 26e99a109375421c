"""Back-pressure: refused at the door, and never after it."""

from collections.abc import AsyncIterator

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.errors import TooManyUnfinished
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.money import Money
from payflow.domain.ports import IdempotencyClaim, TransferOrder
from payflow.settings import Environment, Settings
from payflow.storage import door
from payflow.storage.factory import Storage, open_storage
from payflow.storage.identity import new_id
from tests.contracts.conftest import ORIGIN

OWNER = "usr_OWNER"


@pytest.fixture
async def narrow(pair: EmbeddedStack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Storage]:
    """Books that let in three unfinished transfers, counted at each request."""
    monkeypatch.setattr(door, "COUNT_AGAIN_S", -1.0)
    settings = Settings(
        env=Environment.TEST,
        mongo_url=pair.addresses.mongo_url,
        redis_url=pair.addresses.redis_url,
        mongo_database="payflow_door",
        max_unfinished=3,
    )
    async with open_storage(settings) as storage:
        yield storage


async def test_a_full_house_refuses_new_transfers_and_serves_accepted_ones(
    narrow: Storage,
) -> None:
    alice, bob = [await narrow.wallets.open(OWNER, "USD", None) for _ in range(2)]
    order = TransferOrder(OWNER, alice.id, Money(1, "USD"), destination_wallet_id=bob.id)

    def claim() -> IdempotencyClaim:
        return IdempotencyClaim(OWNER, new_id(Prefix.EVENT), "hash")

    first = claim()
    accepted = [await narrow.transfers.accept(order, one) for one in (first, claim(), claim())]
    refused = claim()
    with pytest.raises(TooManyUnfinished):
        await narrow.transfers.accept(order, refused)
    assert (await narrow.transfers.accept(order, first)).thing == accepted[0].thing
    answer = await narrow.books.take(LegRequest(accepted[1].thing.id, Leg.DEBIT), ORIGIN)
    assert not answer.applied  # an empty wallet: refused, and so finished
    let_in = await narrow.transfers.accept(order, refused)
    assert not let_in.replayed
