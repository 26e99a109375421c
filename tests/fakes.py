"""Second implementations of the ports, in memory: the same rules, no world."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta

from payflow.domain.batch_ledger import ItemsOrder, decide_items
from payflow.domain.batch_ports import BatchPlan
from payflow.domain.batches import BatchMode, BatchPlace
from payflow.domain.errors import IllegalMove, NotFound
from payflow.domain.identifiers import park_key
from payflow.domain.ledger import JournalEntry, Leg, LegRequest, Snapshot, StepAnswer, decide
from payflow.domain.money import Money
from payflow.domain.ports import Origin
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.domain.wallets import Wallet

START = datetime(2026, 1, 1, tzinfo=UTC)


class StandingClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def move(self, by: timedelta) -> None:
        self._now += by


class InMemoryBooks:
    """``Books`` in a process, one leg at a time."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        self.transfers: dict[str, Transfer] = {}
        self.wallets: dict[str, Wallet] = {}
        self.journal: dict[str, StepAnswer] = {}
        self.entries: list[JournalEntry] = []
        self.marks: list[str] = []

    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        snapshot = Snapshot(self.transfers, self.wallets, self.journal)
        verdict = decide([leg], snapshot, self.clock.now())
        for entry in verdict.entries:
            self.write(entry)
        (answer,) = verdict.answers
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def take_all(
        self, legs: Sequence[LegRequest], origin: Origin, within_s: float
    ) -> list[StepAnswer | None]:
        return [await _answer_or_none(self.take(leg, origin)) for leg in legs]

    async def take_items(self, order: ItemsOrder, origin: Origin) -> None:
        items = [item.id for item in self.items_of(order.batch_id, order.first, order.past)]
        snapshot = Snapshot(self.transfers, self.wallets, self.journal)
        for entry in decide_items(order, items, snapshot, self.clock.now()):
            self.write(entry)

    def items_of(self, batch_id: str, first: int = 0, past: int = 10_000) -> list[Transfer]:
        """The items of that range of the batch, in order."""
        found = {
            one.place.index: one
            for one in self.transfers.values()
            if one.place is not None and one.place.batch_id == batch_id
        }
        return [found[index] for index in sorted(found) if first <= index < past]

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        transfer = self.transfers[transfer_id]
        if transfer.status is while_in and not transfer.needs_attention:
            parked = transfer.parked(self.clock.now())
            self.transfers[transfer_id] = parked
            self.marks.append(park_key(transfer_id, parked.sequence))

    async def knows(self, transfer_id: str) -> bool:
        return transfer_id in self.transfers

    def write(self, entry: JournalEntry) -> None:
        self.entries.append(entry)
        self.journal[entry.key] = entry.answer
        self.transfers[entry.transfer.id] = entry.transfer
        if entry.change is not None:
            wallet = self.wallets[entry.change.wallet_id]
            (own,) = (p.amount for p in entry.postings if p.account == wallet.id)
            moved = wallet.moved(own)
            assert (moved.sequence, moved.balance) == (
                entry.change.wallet_sequence,
                entry.change.balance_after,
            )
            self.wallets[wallet.id] = moved


class TroubledBooks:
    """``Books`` that do as a test says before and after each attempt at a leg."""

    def __init__(self, books: InMemoryBooks) -> None:
        self._books = books
        self.before: dict[Leg, list[Exception]] = defaultdict(list)
        self.after: dict[Leg, list[Exception]] = defaultdict(list)
        self.down: set[Leg] = set()
        self.down_for: set[str] = set()
        self.attempts: list[LegRequest] = []
        self.orders: list[ItemsOrder] = []
        self.attempted = asyncio.Event()

    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        self.attempts.append(leg)
        self.attempted.set()
        settles = leg.settles
        if not settles and (leg.leg in self.down or leg.transfer_id in self.down_for):
            raise ConnectionError("the books are away")
        if not settles and self.before[leg.leg]:
            raise self.before[leg.leg].pop(0)
        answer = await self._books.take(leg, origin)
        if not settles and self.after[leg.leg]:
            raise self.after[leg.leg].pop(0)
        return answer

    async def take_all(
        self, legs: Sequence[LegRequest], origin: Origin, within_s: float
    ) -> list[StepAnswer | None]:
        return [await _answer_or_none(self.take(leg, origin)) for leg in legs]

    async def take_items(self, order: ItemsOrder, origin: Origin) -> None:
        self.orders.append(order)
        if Leg.DEBIT in self.down or (order.mode is BatchMode.INDEPENDENT and self.down_for):
            raise ConnectionError("the books are away")
        await self._books.take_items(order, origin)

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        await self._books.park(transfer_id, while_in, origin)

    async def knows(self, transfer_id: str) -> bool:
        return await self._books.knows(transfer_id)


async def _answer_or_none(asking: Awaitable[StepAnswer]) -> StepAnswer | None:
    try:
        return await asking
    except (ConnectionError, IllegalMove):
        return None


class InMemoryBatchWork:
    """``BatchWork`` over the books in memory."""

    def __init__(self, books: InMemoryBooks, mode: BatchMode) -> None:
        self._books = books
        self._mode = mode
        self.cancelled = False
        self.closed: list[str] = []

    async def knows(self, batch_id: str) -> bool:
        return bool(self._books.items_of(batch_id))

    async def plan(self, batch_id: str) -> BatchPlan:
        if not await self.knows(batch_id):
            raise NotFound("batch", batch_id)
        return BatchPlan(self._mode, len(self._books.items_of(batch_id)))

    async def is_cancelled(self, batch_id: str) -> bool:
        return self.cancelled

    async def unfinished(self, batch_id: str, first: int, past: int) -> list[Transfer]:
        items = self._books.items_of(batch_id, first, past)
        return [item for item in items if not item.status.is_terminal]

    async def failed_before(self, batch_id: str, index: int) -> bool:
        items = self._books.items_of(batch_id, 0, index)
        return any(item.status is TransferStatus.FAILED for item in items)

    async def close(self, batch_id: str) -> int:
        pending = len(await self.unfinished(batch_id, 0, 10_000))
        if not pending:
            self.closed.append(batch_id)
        return pending


ALICE, BOB = "wal_ALICE", "wal_BOB"
TRANSFER = "trf_ONE"


def wallet(wallet_id: str, balance: int = 0, **fields: object) -> Wallet:
    """A USD wallet for a test."""
    return Wallet(wallet_id, f"usr_{wallet_id}", "USD", START, balance=balance, **fields)  # type: ignore[arg-type]


def transfer(amount: int = 100, transfer_id: str = TRANSFER, **fields: object) -> Transfer:
    """A transfer from Alice to Bob for a test."""
    values: dict[str, object] = {
        "id": transfer_id,
        "money": Money(amount, "USD"),
        "source_wallet_id": ALICE,
        "destination_wallet_id": BOB,
        "payer_id": "usr_ALICE",
        "payee_id": "usr_BOB",
        "workflow_id": f"transfer/{transfer_id}",
        "created_at": START,
        "updated_at": START,
    }
    return Transfer(**{**values, **fields})  # type: ignore[arg-type]


def books_of_two(balance: int = 1_000, amount: int = 100) -> InMemoryBooks:
    """Alice with some money, Bob with none, and one transfer between them."""
    books = InMemoryBooks()
    books.wallets = {ALICE: wallet(ALICE, balance), BOB: wallet(BOB)}
    books.transfers = {TRANSFER: transfer(amount)}
    return books


BATCH = "bat_ONE"


def books_with_items(
    mode: BatchMode, amounts: Sequence[int], balance: int = 1_000
) -> InMemoryBooks:
    """Alice with some money, Bob with none, and a batch of transfers between them."""
    books = books_of_two(balance)
    books.transfers = {
        f"trf_{index}": transfer(
            amount,
            f"trf_{index}",
            workflow_id=f"batch/{BATCH}",
            place=BatchPlace(BATCH, index, mode),
        )
        for index, amount in enumerate(amounts)
    }
    return books
