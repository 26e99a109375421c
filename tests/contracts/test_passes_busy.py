"""The control: however busy the books are, a pass that finds nothing wrong says so, each time."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from payflow.domain.batch_ledger import ItemsOrder
from payflow.domain.batch_ports import BatchOrder
from payflow.domain.batches import BatchMode
from payflow.domain.errors import PayflowError
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.money import Money
from payflow.domain.movements import MovementKind
from payflow.domain.ports import IdempotencyClaim, MovementOrder, TransferOrder
from payflow.domain.transfers import TransferStatus
from payflow.domain.users import Principal, Role
from payflow.domain.wallets import WalletStatus
from payflow.settings import Environment, Settings
from payflow.storage.factory import Storage, open_storage
from payflow.storage.identity import new_id
from tests.contracts.proven import ORIGIN, VOID
from tests.contracts.proving import Proving, proving

OPERATOR = Principal("usr_OPERATOR", Role.OPERATOR)
PASSES = 6
WALLETS = 6
CALLERS = 12


class Town:
    """Wallets that everybody pays into and out of, by way of two processes' books."""

    def __init__(self, stores: list[Storage], seed: int) -> None:
        self._stores = stores
        self._draw = random.Random(seed)
        self.wallets: list[str] = []
        self.done = 0

    async def open(self) -> None:
        for _ in range(WALLETS):
            wallet = await self._stores[0].wallets.open("usr_OWNER", "USD", None)
            self.wallets.append(wallet.id)
            await self.deposit(wallet.id)

    async def live(self, over: asyncio.Event) -> None:
        """One caller, until it is over: each thing that can be done to the books, in turn."""
        while not over.is_set():
            act = self._draw.choice([self.pay, self.pay, self.pay, self.batch, self.ice, self.move])
            await act()
            self.done += 1

    async def pay(self) -> None:
        store = self._draw.choice(self._stores)
        made = await self._order(store)
        end = self._draw.choice(["completed", "refunded", "parked", "left", "voided"])
        if end == "voided":
            await store.books.take(LegRequest(made, Leg.DEBIT, VOID), ORIGIN)
            return
        if not (await store.books.take(LegRequest(made, Leg.DEBIT), ORIGIN)).applied:
            return
        if end == "left":
            return
        if end == "parked":
            await store.books.park(made, TransferStatus.DEBITED, ORIGIN)
        other = self._draw.choice(self._stores)
        credit = LegRequest(made, Leg.CREDIT, VOID if end == "refunded" else None)
        credited = (await other.books.take(credit, ORIGIN)).applied
        last = Leg.POST if credited else Leg.REFUND
        await other.books.take(LegRequest(made, last), ORIGIN)

    async def _order(self, store: Storage) -> str:
        source, destination = self._draw.sample(self.wallets, 2)
        money = Money(self._draw.randint(1, 400), "USD")
        order = TransferOrder("usr_OWNER", source, money, destination_wallet_id=destination)
        return (await store.transfers.accept(order, claim())).thing.id

    async def batch(self) -> None:
        store = self._draw.choice(self._stores)
        mode = self._draw.choice(list(BatchMode))
        source, *others = self._draw.sample(self.wallets, 3)
        orders = [
            TransferOrder(
                "usr_OWNER",
                source,
                Money(self._draw.randint(1, 90), "USD"),
                destination_wallet_id=self._draw.choice(others),
            )
            for _ in range(12)
        ]
        batch = (await store.batches.accept(BatchOrder("usr_OWNER", mode, orders), claim())).thing
        await store.books.take_items(ItemsOrder(batch.id, mode, 0, len(orders)), ORIGIN)

    async def ice(self) -> None:
        wallet_id = self._draw.choice(self.wallets)
        for status in (WalletStatus.FROZEN, WalletStatus.ACTIVE):
            await self._draw.choice(self._stores).wallets.set_status(wallet_id, status)

    async def move(self) -> None:
        await self.deposit(self._draw.choice(self.wallets))
        order = MovementOrder(
            MovementKind.WITHDRAWAL, self._draw.choice(self.wallets), Money(5, "USD")
        )
        await self._tried(order)

    async def deposit(self, wallet_id: str) -> None:
        await self._tried(MovementOrder(MovementKind.DEPOSIT, wallet_id, Money(1_000, "USD")))

    async def _tried(self, order: MovementOrder) -> None:
        try:
            await self._draw.choice(self._stores).wallets.move(order, claim(), OPERATOR)
        except PayflowError as refusal:
            assert refusal.code in {"insufficient_funds", "wallet_frozen"}


def claim() -> IdempotencyClaim:
    return IdempotencyClaim("usr_OWNER", new_id(Prefix.TRANSFER), "hash")


async def relay(proof: Proving, over: asyncio.Event) -> None:
    """Places come late and in lots: the tail of the journal has none for a while."""
    while not over.is_set():
        await proof.seal()
        await asyncio.sleep(0.3)


@pytest.mark.parametrize("seed", [1])
async def test_busy_books_are_right_at_every_pass(
    pair: EmbeddedStack, tmp_path: Path, seed: int
) -> None:
    settings = Settings(
        env=Environment.TEST,
        mongo_url=pair.addresses.mongo_url,
        redis_url=pair.addresses.redis_url,
        mongo_database=f"payflow_busy_{seed}",
    )
    async with AsyncExitStack() as held:
        stores = [await held.enter_async_context(open_storage(settings)) for _ in range(2)]
        client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
            settings.mongo_url, tz_aware=True
        )
        database = (await held.enter_async_context(client))[settings.mongo_database]
        proof = await held.enter_async_context(proving(database, settings, tmp_path))
        town, over = Town(stores, seed), asyncio.Event()
        await town.open()
        # the relay makes its collection at its first look; MongoDB refuses a snapshot of just then
        await proof.seal()
        said = []
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(town.live(over))
            group.create_task(relay(proof, over))
            for _ in range(PASSES):
                said.append(await proof.prove())
                await asyncio.sleep(0.5)
            over.set()
        await proof.seal()
        said += [await proof.prove(), await proof.prove(full=True)]

    assert [one["violations"] for one in said] == [[]] * len(said)
    assert [one["scope"] for one in said[1:-1]] == ["incremental"] * PASSES
    assert said[-2]["transfers_checked"] == said[-1]["transfers_checked"] > 50
    assert said[-1]["feed_position"] > said[0]["feed_position"]
    assert said[-1]["oldest_in_transit"]
    assert town.done > 50
