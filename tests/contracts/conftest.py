"""Books to hold to their contract: in memory, and over a real replica set."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from payflow.domain.batch_ports import BatchOrder
from payflow.domain.batches import BatchMode, BatchPlace
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import LegRequest, StepAnswer, Tombstone
from payflow.domain.money import Money
from payflow.domain.ports import Books, IdempotencyClaim, Origin, TransferOrder
from payflow.domain.transfers import FailureCode, Transfer
from payflow.domain.wallets import Wallet, WalletStatus
from payflow.settings import Environment, Settings
from payflow.storage.factory import open_storage
from payflow.storage.identity import SystemClock, new_id
from payflow.storage.mapping import from_wallet, to_transfer, to_wallet
from payflow.storage.wallets import new_wallet
from tests.fakes import InMemoryBooks, transfer, wallet

ORIGIN = Origin("transfer/test", "run", "activity", 1)
VOID = Tombstone(FailureCode.CANCELLED_BY_OPERATOR, "usr_OPERATOR", "contract")


@dataclass
class Bench:
    """One pair of books under test, however it is kept, and how to look into it."""

    books: list[Books]
    open_wallet: Callable[..., Awaitable[str]]
    open_transfer: Callable[[str, str, int], Awaitable[str]]
    wallet: Callable[[str], Awaitable[Wallet]]
    transfer: Callable[[str], Awaitable[Transfer]]
    journal: Callable[[str], Awaitable[dict[str, int]]]
    open_batch: Callable[[BatchMode, str, str, Sequence[int]], Awaitable[tuple[str, list[str]]]]
    set_status: Callable[[str, WalletStatus], Awaitable[object]]  # by the last of the processes

    async def take(self, leg: LegRequest, by: int = 0) -> StepAnswer:
        """Ask one of the books (a second one is another process's) for a leg."""
        return await self.books[by % len(self.books)].take(leg, ORIGIN)


def in_memory() -> Bench:
    books = InMemoryBooks()

    async def open_wallet(balance: int = 0, status: WalletStatus = WalletStatus.ACTIVE) -> str:
        name = f"wal_{len(books.wallets)}"
        books.wallets[name] = wallet(name, balance, status=status)
        return name

    async def open_transfer(source: str, destination: str, amount: int) -> str:
        name = f"trf_{len(books.transfers)}"
        books.transfers[name] = transfer(
            amount, name, source_wallet_id=source, destination_wallet_id=destination
        )
        return name

    async def open_batch(
        mode: BatchMode, source: str, destination: str, amounts: Sequence[int]
    ) -> tuple[str, list[str]]:
        items = [await open_transfer(source, destination, amount) for amount in amounts]
        batch_id = f"bat_{items[0]}"
        for index, item in enumerate(items):
            place = BatchPlace(batch_id, index, mode)
            books.transfers[item] = replace(books.transfers[item], place=place)
        return batch_id, items

    async def read_wallet(wallet_id: str) -> Wallet:
        return books.wallets[wallet_id]

    async def read_transfer(transfer_id: str) -> Transfer:
        return books.transfers[transfer_id]

    async def journal(transfer_id: str) -> dict[str, int]:
        legs = {e.leg.value: len(e.postings) for e in books.entries if e.transfer.id == transfer_id}
        parked = any(mark.startswith(f"{transfer_id}:") for mark in books.marks)
        return legs | ({"park": 0} if parked else {})

    async def set_status(wallet_id: str, status: WalletStatus) -> None:
        books.wallets[wallet_id] = replace(books.wallets[wallet_id], status=status)

    return Bench(
        [books],
        open_wallet,
        open_transfer,
        read_wallet,
        read_transfer,
        journal,
        open_batch,
        set_status,
    )


async def over_mongodb(stack: EmbeddedStack, held: AsyncExitStack) -> Bench:
    settings = Settings(
        env=Environment.TEST,
        mongo_url=stack.addresses.mongo_url,
        redis_url=stack.addresses.redis_url,
        mongo_database="payflow_contracts",
    )
    stores = [await held.enter_async_context(open_storage(settings)) for _ in range(2)]
    client: AsyncMongoClient[dict[str, object]] = await held.enter_async_context(
        AsyncMongoClient(settings.mongo_url, tz_aware=True)
    )
    database = client[settings.mongo_database]

    async def open_wallet(balance: int = 0, status: WalletStatus = WalletStatus.ACTIVE) -> str:
        fields = from_wallet(new_wallet("usr_OWNER", "USD", None, SystemClock()))
        await database.wallets.insert_one({**fields, "balance": balance, "status": status.value})
        return str(fields["_id"])

    async def open_transfer(source: str, destination: str, amount: int) -> str:
        order = order_of(source, destination, amount)
        return (await stores[0].transfers.accept(order, new_claim())).thing.id

    async def open_batch(
        mode: BatchMode, source: str, destination: str, amounts: Sequence[int]
    ) -> tuple[str, list[str]]:
        orders = [order_of(source, destination, amount) for amount in amounts]
        asked = BatchOrder("usr_OWNER", mode, orders)
        batch = (await stores[0].batches.accept(asked, new_claim())).thing
        found = database.transfers.find({"batch_id": batch.id}, sort=[("batch_index", 1)])
        return batch.id, [str(item["_id"]) async for item in found]

    async def read_wallet(wallet_id: str) -> Wallet:
        fields = await database.wallets.find_one({"_id": wallet_id})
        assert fields
        return to_wallet(fields)

    async def read_transfer(transfer_id: str) -> Transfer:
        fields = await database.transfers.find_one({"_id": transfer_id})
        assert fields
        return to_transfer(fields)

    async def journal(transfer_id: str) -> dict[str, int]:
        found = database.journal.find({"transfer_id": transfer_id, "leg": {"$ne": "init"}})
        return {str(entry["leg"]): len(entry["postings"]) async for entry in found}  # type: ignore[arg-type]

    books = [store.books for store in stores]
    return Bench(
        books,
        open_wallet,
        open_transfer,
        read_wallet,
        read_transfer,
        journal,
        open_batch,
        stores[-1].wallets.set_status,
    )


def order_of(source: str, destination: str, amount: int) -> TransferOrder:
    money = Money(amount, "USD")
    return TransferOrder("usr_OWNER", source, money, destination_wallet_id=destination)


def new_claim() -> IdempotencyClaim:
    return IdempotencyClaim("usr_OWNER", new_id(Prefix.TRANSFER), "hash")


@pytest.fixture(params=["in memory", "mongodb"])
def kept_by(request: pytest.FixtureRequest) -> EmbeddedStack | None:
    """The stack whose MongoDB keeps the books, or None for those in memory."""
    if request.param == "in memory":
        return None
    stack: EmbeddedStack = request.getfixturevalue("pair")
    return stack


@pytest.fixture
async def bench(kept_by: EmbeddedStack | None) -> AsyncIterator[Bench]:
    """The same contract for both."""
    async with AsyncExitStack() as held:
        yield await over_mongodb(kept_by, held) if kept_by else in_memory()
