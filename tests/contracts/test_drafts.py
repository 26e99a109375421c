"""Many items of a batch are decided before they hold a wallet, and what they meet then counts."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.batch_ledger import ItemsOrder
from payflow.domain.batches import BatchMode
from payflow.domain.ledger import Leg, LegRequest
from payflow.storage.posting_items import DRAFTED_ABOVE
from tests.contracts.conftest import ORIGIN, Bench, over_mongodb

ITEMS = DRAFTED_ABOVE + 100
BEFORE_ONE_IS_ENDED_S = 6.0  # the server ends a transaction, and frees its wallets, after 10 s


class Deciding:
    """Stops whoever decides at the first item, and counts how often each leg is looked at."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.looked_at = Counter[tuple[str, Leg]]()

    def rejects(self, transfer_id: str, leg: Leg) -> bool:
        self.looked_at[transfer_id, leg] += 1
        self.begun.set()
        assert self.may_go_on.wait(30)
        return False


@pytest.fixture
async def bench(pair: EmbeddedStack) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as held:
        yield await over_mongodb(pair, held)


@asynccontextmanager
async def while_deciding(bench: Bench, balance: int) -> AsyncIterator[tuple[str, str, list[str]]]:
    """A payer, a payee and the items of an atomic batch of one cent each, as it is decided."""
    payer, payee = await bench.open_wallet(balance), await bench.open_wallet()
    batch_id, items = await bench.open_batch(BatchMode.ATOMIC, payer, payee, [1] * ITEMS)
    deciding = Deciding()
    order = ItemsOrder(batch_id, BatchMode.ATOMIC, 0, ITEMS, rejects=deciding.rejects)
    taking = asyncio.create_task(bench.books[0].take_items(order, ORIGIN))
    assert await asyncio.to_thread(deciding.begun.wait, 30)
    try:
        yield payer, payee, items
    finally:
        deciding.may_go_on.set()
        await taking


async def end_of(bench: Bench, item: str) -> str:
    found = await bench.transfer(item)
    return found.failure or found.status


@pytest.mark.parametrize(("spare", "end"), [(1, "completed"), (0, "insufficient_funds")])
async def test_another_process_may_write_the_wallets_meanwhile(
    bench: Bench, spare: int, end: str
) -> None:
    async with while_deciding(bench, ITEMS + spare) as (payer, payee, items):
        neighbour = await bench.open_transfer(payer, payee, 1)
        async with asyncio.timeout(BEFORE_ONE_IS_ENDED_S):
            answer = await bench.take(LegRequest(neighbour, Leg.DEBIT), by=1)
        assert answer.applied
    assert await end_of(bench, items[-1]) == end
    assert await end_of(bench, items[0]) == ("completed" if spare else "batch_rejected")
    moved = ITEMS if spare else 0
    assert (await bench.wallet(payer)).balance == ITEMS + spare - moved - 1
    assert (await bench.wallet(payer)).sequence == moved + 1
    assert (await bench.wallet(payee)).balance == moved


async def test_who_meets_nobody_decides_once(bench: Bench) -> None:
    payer, payee = await bench.open_wallet(ITEMS), await bench.open_wallet()
    batch_id, items = await bench.open_batch(BatchMode.ATOMIC, payer, payee, [1] * ITEMS)
    deciding = Deciding()
    deciding.may_go_on.set()
    order = ItemsOrder(batch_id, BatchMode.ATOMIC, 0, ITEMS, rejects=deciding.rejects)
    await bench.books[0].take_items(order, ORIGIN)
    assert deciding.looked_at == {
        (item, leg): 1 for item in items for leg in (Leg.DEBIT, Leg.CREDIT)
    }
    assert (await bench.wallet(payee)).balance == ITEMS
    assert await bench.journal(items[-1]) == {"debit": 2, "credit": 2, "post": 0}
