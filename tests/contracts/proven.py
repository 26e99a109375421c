"""Small books that are right in every respect: every kind of end, money on its way, a feed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from payflow.domain.batch_ports import BatchOrder
from payflow.domain.batches import BatchMode
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import Leg, LegRequest, SettledOutside, Tombstone
from payflow.domain.money import Money
from payflow.domain.movements import MovementKind
from payflow.domain.ports import IdempotencyClaim, MovementOrder, Origin, TransferOrder
from payflow.domain.transfers import FailureCode
from payflow.domain.users import Principal, Role
from payflow.proof.sums import Database
from payflow.settings import Environment, Settings
from payflow.storage.factory import Storage, open_storage
from payflow.storage.identity import new_id

ORIGIN = Origin("transfer/test", "run", "activity", 1)
VOID = Tombstone(FailureCode.CANCELLED_BY_OPERATOR, "usr_OPERATOR", "contract")
VOUCHED = SettledOutside("a bank's reference", "contract", "usr_OPERATOR", "usr_SECOND")
OPERATOR = Principal("usr_OPERATOR", Role.OPERATOR)


@dataclass(frozen=True)
class ProvenBooks:
    """The database, and its things by what became of them."""

    database: Database
    settings: Settings
    alice: str
    bob: str
    completed: str
    refused: str
    refunded: str
    settled: str
    in_flight: str
    initiated: str
    batch: str


@asynccontextmanager
async def proven_books(stack: EmbeddedStack, database: str) -> AsyncIterator[ProvenBooks]:
    """Books of their own on the stack's MongoDB; no relay and no workflow knows of them."""
    settings = Settings(
        env=Environment.TEST,
        mongo_url=stack.addresses.mongo_url,
        redis_url=stack.addresses.redis_url,
        temporal_address=stack.addresses.temporal_address,
        mongo_database=database,
    )
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        settings.mongo_url, tz_aware=True
    )
    async with client:
        await client.drop_database(database)
        async with open_storage(settings) as storage:
            teller = _Teller(storage)
            alice, bob = await teller.wallet(1_000), await teller.wallet(0)
            yield ProvenBooks(
                database=client[database],
                settings=settings,
                alice=alice,
                bob=bob,
                completed=await teller.transfer(alice, bob, 10, Leg.DEBIT, Leg.CREDIT, Leg.POST),
                refused=await teller.transfer(alice, bob, 5_000, Leg.DEBIT),
                refunded=await teller.returned(alice, bob, 20),
                settled=await teller.settled_outside(alice, bob, 50),
                in_flight=await teller.transfer(alice, bob, 30, Leg.DEBIT),
                initiated=await teller.transfer(alice, bob, 40),
                batch=await _and_seal(storage, await teller.batch(alice, bob, 1, 2)),
            )


class _Teller:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def wallet(self, balance: int) -> str:
        wallet = await self._storage.wallets.open("usr_OWNER", "USD", None)
        if balance:
            order = MovementOrder(MovementKind.DEPOSIT, wallet.id, Money(balance, "USD"))
            await self._storage.wallets.move(order, _claim(), OPERATOR)
        return wallet.id

    async def transfer(self, source: str, destination: str, amount: int, *legs: Leg) -> str:
        money = Money(amount, "USD")
        order = TransferOrder("usr_OWNER", source, money, destination_wallet_id=destination)
        made = (await self._storage.transfers.accept(order, _claim())).thing
        for leg in legs:
            await self._storage.books.take(LegRequest(made.id, leg), ORIGIN)
        return made.id

    async def batch(self, source: str, destination: str, *amounts: int) -> str:
        """An accepted batch of which nothing has been done."""
        orders = [
            TransferOrder("usr_OWNER", source, Money(one, "USD"), destination_wallet_id=destination)
            for one in amounts
        ]
        order = BatchOrder("usr_OWNER", BatchMode.ATOMIC, orders)
        return (await self._storage.batches.accept(order, _claim())).thing.id

    async def returned(self, source: str, destination: str, amount: int) -> str:
        made = await self.transfer(source, destination, amount, Leg.DEBIT)
        await self._storage.books.take(LegRequest(made, Leg.CREDIT, VOID), ORIGIN)
        await self._storage.books.take(LegRequest(made, Leg.REFUND), ORIGIN)
        return made

    async def settled_outside(self, source: str, destination: str, amount: int) -> str:
        made = await self.transfer(source, destination, amount, Leg.DEBIT)
        await self._storage.books.take(LegRequest(made, Leg.CREDIT, outside=VOUCHED), ORIGIN)
        await self._storage.books.take(LegRequest(made, Leg.POST), ORIGIN)
        return made


async def _and_seal(storage: Storage, last: str) -> str:
    """Give every event its place, as an active relay would."""
    epoch = await storage.relay.lease().campaign()
    assert epoch is not None
    writer = await storage.relay.writer(epoch)
    at = await writer.server_time()
    async for _ in writer.catch_up():
        pass
    await writer.caught_up(at, None)
    return last


def _claim() -> IdempotencyClaim:
    return IdempotencyClaim("usr_OWNER", new_id(Prefix.TRANSFER), "hash")
