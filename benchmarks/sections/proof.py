"""What the always-on proof costs after a long past: as much as what is new, or it is no proof."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.figures import Mark, Row, ratios
from benchmarks.ground import Database, Ground
from benchmarks.options import PROOF_OF_THE_MARK
from benchmarks.outcome import Outcome
from benchmarks.past import Past
from payflow.auth.statements import load_statement_keys
from payflow.domain.events import GENESIS
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.money import Money
from payflow.domain.movements import MovementKind
from payflow.domain.ports import IdempotencyClaim, MovementOrder, Origin, TransferOrder
from payflow.domain.users import Principal, Role
from payflow.proof.passes import Passes
from payflow.proof.publishing import Publisher
from payflow.settings import Environment, Settings
from payflow.storage.factory import Storage, open_storage
from payflow.storage.feed_places import placed
from payflow.storage.identity import SystemClock, new_id

ENTRIES_EACH = 4  # of a transfer: init, debit, credit, post
NEW_TRANSFERS = 250  # 1,000 entries
SHORT_OF_LONG = 100  # the long past is so many times the short one
CHUNK = 1_000
LONG, SHORT = "long past", "short past"
MARK = Mark(1.5, 1.1, more_is_better=False)
OPERATOR = Principal("usr_BENCH", Role.OPERATOR)
NOWHERE = Origin("bench", "bench", "bench", 1)


@dataclass(frozen=True, slots=True)
class Contender:
    """Books with a past, and who proves them."""

    storage: Storage
    passes: Passes
    wallet_ids: tuple[str, str]

    async def turn(self) -> float:
        """Seconds of the pass over a thousand new entries."""
        await self._pay()
        begun = perf_counter()
        verdict = await self.passes.prove()
        took = perf_counter() - begun
        if verdict.status != "ok":
            raise RuntimeError(f"proof {verdict.number} is {verdict.status}")
        return took

    async def _pay(self) -> None:
        source, destination = self.wallet_ids
        order = TransferOrder(
            OPERATOR.user_id, source, Money(1, "USD"), destination_wallet_id=destination
        )
        made = [
            (await self.storage.transfers.accept(order, _claim())).thing.id
            for _ in range(NEW_TRANSFERS)
        ]
        for leg in (Leg.DEBIT, Leg.CREDIT, Leg.POST):
            asked = [LegRequest(transfer_id, leg) for transfer_id in made]
            await self.storage.books.take_all(asked, NOWHERE, 30.0)


async def measure(ground: Ground) -> Outcome:
    """The same thousand entries after a long past and after a hundredth of it, by turns."""
    pasts = {LONG: ground.options.proven, SHORT: max(1, ground.options.proven // SHORT_OF_LONG)}
    async with AsyncExitStack() as held:
        contenders = {
            name: await held.enter_async_context(_books(ground, name, entries))
            for name, entries in pasts.items()
        }
        for contender in contenders.values():
            await contender.turn()
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(ground.options.rounds):
            for name, contender in contenders.items():
                seconds[name].append(await contender.turn())
    return Outcome([row(seconds, pasts)], raw={"proof": {"seconds": seconds}})


@asynccontextmanager
async def _books(ground: Ground, name: str, entries: int) -> AsyncIterator[Contender]:
    """Books of their own on the stack's MongoDB with their past, proved once from the start."""
    where = ground.stack.addresses
    settings = Settings(
        env=Environment.TEST,
        mongo_url=where.mongo_url,
        redis_url=where.redis_url,
        mongo_database=f"payflow_{name.replace(' ', '_')}",
        data_dir=Path(tempfile.gettempdir()) / "payflow-bench-proof",
    )
    database = ground.database.client[settings.mongo_database]
    await database.client.drop_database(database.name)
    async with open_storage(settings) as storage:
        await Past(database, ground.town).write(entries // ENTRIES_EACH)
        await _tell(database)
        keys, clock = load_statement_keys(settings), SystemClock()
        publisher = Publisher(database, keys, storage.wallets, storage.audit, clock, 60.0)
        passes = Passes(database, publisher, clock)
        verdict = await passes.prove()
        if verdict.status != "ok":
            raise RuntimeError(f"the past itself is {verdict.status}")
        ids = [await _wallet(storage), await _wallet(storage)]
        yield Contender(storage, passes, (ids[0], ids[1]))


async def _tell(database: Database) -> None:
    """Give every event of the past its place, as a relay would have."""
    position, last_hash, waiting = 0, GENESIS, []
    wanted = {"event": 1, "audience": 1, "transfer_id": 1, "wallet_id": 1}
    async for entry in database.journal.find({}, wanted, sort=[("created_at", 1), ("_id", 1)]):
        waiting.append(entry)
        if len(waiting) == CHUNK:
            position, last_hash = await _placed(database, waiting, position, last_hash)
            waiting = []
    position, last_hash = await _placed(database, waiting, position, last_hash)
    place = {"_id": "place", "epoch": 0, "position": position, "hash": last_hash, "token": None}
    await database.relay.replace_one({"_id": "place"}, {**place, "at": SystemClock().now()}, True)


async def _placed(
    database: Database, waiting: list[dict[str, object]], position: int, last_hash: str
) -> tuple[int, str]:
    made = placed(waiting, position, last_hash)
    if not made:
        return position, last_hash
    await database.feed.insert_many(made)
    return made[-1]["_id"], made[-1]["hash"]


async def _wallet(storage: Storage) -> str:
    wallet = await storage.wallets.open(OPERATOR.user_id, "USD", None)
    order = MovementOrder(MovementKind.DEPOSIT, wallet.id, Money(10**9, "USD"))
    await storage.wallets.move(order, _claim(), OPERATOR)
    return wallet.id


def _claim() -> IdempotencyClaim:
    return IdempotencyClaim(OPERATOR.user_id, new_id(Prefix.TRANSFER), "bench")


def row(seconds: Mapping[str, list[float]], pasts: Mapping[str, int]) -> Row:
    """Seconds of the turns, the long past's against the short one's."""
    short = "" if pasts[LONG] >= PROOF_OF_THE_MARK else f"with {pasts[LONG]:,} entries"
    return Row(
        "proof_past",
        f"proof of 1,000 new entries after {pasts[LONG]:,} ÷ after {pasts[SHORT]:,}, seconds",
        ratios(seconds[LONG], seconds[SHORT]),
        MARK,
        f"{median(seconds[LONG]):.2f} s against {median(seconds[SHORT]):.2f} s",
        short=short,
    )
