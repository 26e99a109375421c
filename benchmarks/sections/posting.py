"""What group commit is worth: legs a second, against one transaction for each leg.

In this process, without HTTP and Temporal, in a database of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from statistics import median
from time import monotonic

from benchmarks.figures import Mark, Row, ratios
from benchmarks.ground import Ground
from benchmarks.one_by_one import OneTransactionPerLeg
from benchmarks.outcome import Outcome
from benchmarks.rounds import by_turns
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import Leg, LegRequest, StepAnswer
from payflow.domain.money import Money
from payflow.domain.ports import Origin
from payflow.domain.transfers import Transfer
from payflow.domain.wallets import Wallet
from payflow.settings import Settings
from payflow.storage.books_collections import BooksCollections
from payflow.storage.connection import open_client
from payflow.storage.factory import open_storage
from payflow.storage.identity import SystemClock, new_id
from payflow.storage.mapping import from_transfer, from_wallet

DATABASE = "payflow_bench_posting"
WALLETS = 1_000
FUNDS = 10**9
GROUPED_CALLERS = 200
# One transaction a leg gets no faster with more callers, and slower with many: its best is taken.
SINGLE_CALLERS = (16, 64)
LEGS_PER_S_AT_MOST = 9_000
SHORTEST_TURN_S = 1.0  # a group of 200 takes a tenth of it: shorter turns would count groups
LEGS = (Leg.DEBIT, Leg.CREDIT, Leg.POST)
ORIGIN = Origin("bench", "bench", "bench", 1)

Take = Callable[[LegRequest, Origin], Awaitable[StepAnswer]]


@dataclass(frozen=True, slots=True)
class _Hall:
    """The books under test and how long a turn is."""

    books: BooksCollections
    wallet_ids: list[str]
    seconds: float

    async def legs_per_s(self, take: Take, callers: int) -> float:
        """Whole transfers, leg after leg, by callers side by side."""
        transfers = iter(await self._accepted(int(self.seconds * LEGS_PER_S_AT_MOST / len(LEGS))))
        begun = monotonic()
        taken = await asyncio.gather(
            *(_walk(take, transfers, begun + self.seconds) for _ in range(callers))
        )
        return sum(taken) / (monotonic() - begun)

    async def _accepted(self, number: int) -> list[str]:
        wallets, now = self.wallet_ids, SystemClock().now()
        transfers = []
        for at in range(number):
            transfer_id = new_id(Prefix.TRANSFER, now)
            transfers.append(
                Transfer(
                    id=transfer_id,
                    money=Money(1, "USD"),
                    source_wallet_id=wallets[at % WALLETS],
                    destination_wallet_id=wallets[(at + 1) % WALLETS],
                    payer_id="usr_BENCH",
                    payee_id="usr_BENCH",
                    workflow_id=f"transfer/{transfer_id}",
                    created_at=now,
                    updated_at=now,
                )
            )
        await self.books.transfers.insert_many([from_transfer(one) for one in transfers])
        return [one.id for one in transfers]


async def _walk(take: Take, transfers: Iterator[str], until: float) -> int:
    taken = 0
    for transfer_id in transfers:
        for leg in LEGS:
            if monotonic() > until:
                return taken
            await take(LegRequest(transfer_id, leg), ORIGIN)
            taken += 1
    return taken


async def measure(ground: Ground, env: dict[str, str]) -> Outcome:
    """The engine with its callers, beside one transaction a leg at 16 and at 64 callers."""
    settings = _settings(ground, env)
    async with open_storage(settings) as storage, open_client(settings) as client:
        books = BooksCollections.of(client, DATABASE)
        hall = _Hall(books, await _open_wallets(books), _turn_s(ground))
        single = OneTransactionPerLeg(books)
        contenders: dict[str, Callable[[], Awaitable[float]]] = {
            "engine": lambda: hall.legs_per_s(storage.books.take, GROUPED_CALLERS),
            **{
                f"single, {callers} callers": _single(hall, single, callers)
                for callers in SINGLE_CALLERS
            },
        }
        rates = await by_turns(contenders, ground.options.rounds)
        await client.drop_database(DATABASE)
    return Outcome([_row(rates)], raw={"posting": {"legs_per_second": rates}})


def _turn_s(ground: Ground) -> float:
    return max(SHORTEST_TURN_S, ground.options.brisk_seconds)


def _single(
    hall: _Hall, single: OneTransactionPerLeg, callers: int
) -> Callable[[], Awaitable[float]]:
    return lambda: hall.legs_per_s(single.take, callers)


def _row(rates: dict[str, list[float]]) -> Row:
    rivals = {name: found for name, found in rates.items() if name != "engine"}
    best = max(rivals, key=lambda name: median(rivals[name]))
    return Row(
        "posting",
        "posting engine: legs/s ÷ one transaction per leg",
        ratios(rates["engine"], rates[best]),
        Mark(5, 8),
        f"{median(rates['engine']):,.0f}/s ({GROUPED_CALLERS} callers) "
        f"against {median(rates[best]):,.0f}/s ({best}, the better of its two)",
    )


def _settings(ground: Ground, env: dict[str, str]) -> Settings:
    where = ground.stack.addresses
    return Settings.model_validate(
        {
            "env": env["PAYFLOW_ENV"],
            "jwt_keys": env["PAYFLOW_JWT_KEYS"],
            "webhook_keys": env["PAYFLOW_WEBHOOK_KEYS"],
            "proof_keys": env["PAYFLOW_PROOF_KEYS"],
            "mongo_url": where.mongo_url,
            "redis_url": where.redis_url,
            "mongo_database": DATABASE,
        }
    )


async def _open_wallets(books: BooksCollections) -> list[str]:
    now = SystemClock().now()
    wallets = [
        Wallet(new_id(Prefix.WALLET, now), "usr_BENCH", "USD", now, balance=FUNDS)
        for _ in range(WALLETS)
    ]
    await books.wallets.insert_many([from_wallet(wallet) for wallet in wallets])
    return [wallet.id for wallet in wallets]
