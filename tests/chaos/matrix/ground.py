"""What runs are played on: a stack, proxies before its servers, a third process's books."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pymongo.errors import PyMongoError

from cli.binaries import find_binaries
from cli.credentials import credentials_of
from cli.folder import DataFolder
from cli.ports import LOOPBACK, PortBook
from cli.stack import EmbeddedStack, StackOptions
from payflow.domain.ports import Books
from payflow.settings import Environment, Settings
from payflow.storage.factory import open_storage
from tests.chaos.fault_proxy import FaultProxy, fault_proxy
from tests.chaos.matrix.cast import Cast
from tests.chaos.matrix.members import more_members
from tests.chaos.matrix.orders import OrderBook
from tests.chaos.matrix.parking import Parking
from tests.chaos.matrix.plan import Run
from tests.conftest import TEST_ENV, TWO_OF_EACH
from tests.e2e.auditing import Database, books_of
from tests.e2e.bank import bank_of
from tests.e2e.conftest import new_operator

T = TypeVar("T")
SERVERS = ("mongod", "redis", "temporal")
MATRIX_ENV = {
    **TEST_ENV,
    "PAYFLOW_PARK_AFTER_S": "20",  # longer than an outage: who parks is tried once a minute
    "PAYFLOW_ACCESS_TOKEN_TTL_S": "86400",  # a clock that is two hours ahead ends no session
}


@dataclass
class Ground:
    """One stack and everything that a run needs of it."""

    stack: EmbeddedStack
    database: Database
    cast: Cast
    orders: OrderBook
    parking: Parking
    third: Books  # the books as a process has them that the stack does not know of
    proxies: dict[str, FaultProxy] = field(default_factory=dict)

    def children(self, *roles: str) -> list[str]:
        """The names of the stack's processes in these roles."""
        return [name for name in self.stack.names if name.split("-")[0] in roles]


@asynccontextmanager
async def ground_on(
    stack: EmbeddedStack, runs: list[Run], proxies: dict[str, FaultProxy]
) -> AsyncIterator[Ground]:
    """A stack made ready for these runs: their parked transfers are parked."""
    settings = Settings(
        env=Environment.TEST,
        data_dir=stack.data_dir,
        mongo_url=stack.addresses.mongo_url,
        redis_url=stack.addresses.redis_url,
    )
    async with bank_of(stack) as bank, books_of(stack) as database:
        cast = await Cast.of(bank, await new_operator(stack, bank))
        orders = OrderBook(stack.data_dir)
        async with open_storage(settings) as third:
            parking = Parking(cast, orders, database)
            await parking.fill(runs)
            yield Ground(stack, database, cast, orders, parking, third.books, proxies)


@asynccontextmanager
async def proxied_stack(folder: Path) -> AsyncIterator[tuple[EmbeddedStack, dict[str, FaultProxy]]]:
    """Two of each, which reach their servers through proxies."""
    book = PortBook(folder / "matrix-ports.json", {})
    ports = {name: book.claim(name) for name in SERVERS}
    credentials = credentials_of(DataFolder(folder))
    async with AsyncExitStack() as open_:
        proxies = {
            name: await open_.enter_async_context(fault_proxy(port)) for name, port in ports.items()
        }
        env = {
            **MATRIX_ENV,
            # Without asking for the set's members, whose addresses lead past the proxy.
            "PAYFLOW_MONGO_URL": credentials.mongo_url(
                f"{LOOPBACK}:{proxies['mongod'].port}", "directConnection=true"
            ),
            "PAYFLOW_REDIS_URL": credentials.redis_url(f"{LOOPBACK}:{proxies['redis'].port}"),
            "PAYFLOW_TEMPORAL_ADDRESS": f"{LOOPBACK}:{proxies['temporal'].port}",
        }
        options = StackOptions(data_dir=folder, ports=ports, layout=TWO_OF_EACH, env=env)
        yield await open_.enter_async_context(EmbeddedStack(options)), proxies


@asynccontextmanager
async def three_member_stack(folder: Path) -> AsyncIterator[EmbeddedStack]:
    """Two of each on a replica set of three."""
    options = StackOptions(data_dir=folder, layout=TWO_OF_EACH, env=MATRIX_ENV)
    async with (
        EmbeddedStack(options) as stack,
        more_members(find_binaries(), DataFolder(folder), stack.addresses.mongo_url),
    ):
        yield stack


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """What MongoDB answers, as soon as it does."""
    while True:
        try:
            return await read()
        except PyMongoError:
            await asyncio.sleep(0.1)
