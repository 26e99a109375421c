"""One group of legs as one transaction: read what they concern, decide, write it once."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from payflow.domain.errors import DocumentUnreadable
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import (
    JournalEntry,
    Leg,
    LegRequest,
    Snapshot,
    StepAnswer,
    Verdict,
    decide,
    touched_wallet_id,
)
from payflow.domain.ports import Clock, Origin
from payflow.domain.transfers import Transfer
from payflow.domain.wallets import Wallet
from payflow.storage.books_collections import BooksCollections
from payflow.storage.commands import Line, Write, changes, in_line, insertion
from payflow.storage.identity import new_id
from payflow.storage.mapping import (
    ANSWERED,
    Fields,
    from_entry,
    to_answer,
    to_transfer,
    to_wallet,
    transfer_state,
)
from payflow.storage.recent import RecentTransfers
from payflow.storage.recent_wallets import RecentWallets
from payflow.storage.transactions import Collection, WriteConflict

MOVED_AT_ONCE = 1_000  # transfers an update: 30 kB of ids
# One joined read saves two round trips, and costs the server more for each transfer than three
# reads by key do: 2.0 ms against 2.1 for one, 6.0 against 3.3 for 16, 41 against 11 for 200.
JOINED_UP_TO = 3
TAKEN = "a leg was journaled by somebody else"  # since its transfer was read, or guessed
ANSWER_FIELDS = dict.fromkeys(ANSWERED, 1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OriginatedLeg:
    """A leg, the execution that asked for it, and where that stood in its trace."""

    request: LegRequest
    origin: Origin
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class GuessedSnapshot(Snapshot):
    """Nothing of it was read: what is written by it must be guarded, and nobody refused by it."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What was written through a session, and over what it was decided."""

    verdict: Verdict
    snapshot: Snapshot


@dataclass(slots=True)
class _Read:
    """What was read for a group so far; a document that cannot be read is its own legs' trouble."""

    transfers: dict[str, Transfer] = field(default_factory=dict)
    wallets: dict[str, Wallet] = field(default_factory=dict)
    journal: dict[str, StepAnswer] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def transfer(self, fields: Fields) -> None:
        self._keep(self.transfers, to_transfer, fields)

    def wallet(self, fields: Fields) -> None:
        self._keep(self.wallets, to_wallet, fields)

    def answer(self, fields: Fields) -> None:
        self._keep(self.journal, to_answer, fields)

    def snapshot(self) -> Snapshot:
        return Snapshot(self.transfers, self.wallets, self.journal, frozenset(self.unreadable))

    def _keep(self, table: dict[str, T], mapping: Callable[[Fields], T], fields: Fields) -> None:
        try:
            table[fields["_id"]] = mapping(fields)
        except DocumentUnreadable:
            self.unreadable.add(fields["_id"])


class PostingGroup:
    """Reads and writes the three collections that a leg concerns."""

    def __init__(
        self,
        books: BooksCollections,
        clock: Clock,
        recent: RecentTransfers,
        recent_wallets: RecentWallets | None = None,
    ) -> None:
        self._clock = clock
        self._recent = recent
        self._recent_wallets = recent_wallets
        self._journal = books.journal
        self._transfers = books.transfers
        self._wallets = books.wallets

    async def claim(self, wallet_ids: Sequence[str], session: AsyncClientSession) -> None:
        """Write to these wallets before anything else, to meet a conflict at once.

        Somebody who conflicted once would otherwise read, decide and insert only to conflict
        again. The field counts how often legs of the wallet met another worker's.
        """
        await self._wallets.update_many(
            {"_id": {"$in": list(wallet_ids)}}, {"$inc": {"contended": 1}}, session=session
        )

    async def read(self, legs: Sequence[OriginatedLeg], session: AsyncClientSession) -> Snapshot:
        """Everything the legs concern: their transfers, wallets and journal keys.

        Of transfers that are known from their last commit only the wallets are read; in a small
        group of such not even those that are known as well.
        """
        guesses = {leg.request.key: self._recent.guess(leg.request) for leg in legs}
        to_read = {leg.request.transfer_id for leg in legs if guesses[leg.request.key] is None}
        known = {one.id: one for one in guesses.values() if one and one.id not in to_read}
        if not to_read:
            touched = _touched(legs, known)
            wallets = self._guess_wallets(touched) if len(legs) <= JOINED_UP_TO else None
            if wallets is not None:
                return GuessedSnapshot(known, wallets, {})
            read = _Read(dict(known))
            await self._read_wallets(read, touched, session)
            return read.snapshot()
        if len(known) + len(to_read) <= JOINED_UP_TO:
            return await self._read_joined(sorted({*known, *to_read}), session)
        keys = {leg.request.key for leg in legs if leg.request.transfer_id in to_read}
        read = _Read(dict(known))
        for fields in await self._transfers.find(_any_of(to_read), session=session).to_list():
            read.transfer(fields)
        answers = self._journal.find(_any_of(keys), ANSWER_FIELDS, session=session)
        for fields in await answers.to_list():
            read.answer(fields)
        await self._read_wallets(read, _touched(legs, read.transfers), session)
        return read.snapshot()

    async def _read_joined(self, ids: list[str], session: AsyncClientSession) -> Snapshot:
        found = await self._transfers.aggregate(
            [
                {"$match": {"_id": {"$in": ids}}},
                {
                    "$lookup": {
                        "from": self._wallets.name,
                        "localField": "wallet_ids",
                        "foreignField": "_id",
                        "as": "wallets",
                    }
                },
                {
                    "$lookup": {
                        "from": self._journal.name,
                        "localField": "_id",
                        "foreignField": "transfer_id",
                        "pipeline": [
                            {"$match": {"outcome": {"$exists": True}}},  # legs, and no marks
                            {"$project": ANSWER_FIELDS},
                        ],
                        "as": "journal",
                    }
                },
            ],
            session=session,
        )
        read = _Read()
        async for fields in found:
            read.transfer(fields)
            for kept in fields["wallets"]:
                read.wallet(kept)
            for kept in fields["journal"]:
                read.answer(kept)
        return read.snapshot()

    def _guess_wallets(self, touched: Set[str]) -> dict[str, Wallet] | None:
        return None if self._recent_wallets is None else self._recent_wallets.guess(touched)

    async def _read_wallets(
        self, read: "_Read", touched: Iterable[str], session: AsyncClientSession
    ) -> None:
        if touched:
            for fields in await self._wallets.find(_any_of(touched), session=session).to_list():
                read.wallet(fields)

    async def post(
        self,
        legs: Sequence[OriginatedLeg],
        snapshot: Snapshot,
        session: AsyncClientSession,
        *,
        commits: bool = False,
    ) -> Posted:
        """Decide the legs over the snapshot and write the outcome through its session.

        ``commits``: nothing else is written, so what is written is committed as well.
        """
        requests = [leg.request for leg in legs]
        verdict = decide(requests, snapshot, self._clock.now())
        if isinstance(snapshot, GuessedSnapshot) and not _all_applied(verdict):
            read = _Read(dict(snapshot.transfers), journal=dict(snapshot.journal))
            await self._read_wallets(read, snapshot.wallets, session)
            snapshot = read.snapshot()
            verdict = decide(requests, snapshot, self._clock.now())
        if verdict.entries:
            asked = {leg.request.key: leg for leg in reversed(legs)}
            try:
                async with in_line(session, commits=commits) as line:
                    await self._write(verdict.entries, snapshot, asked, line)
            except DuplicateKeyError as error:
                raise WriteConflict(TAKEN) from error
        return Posted(verdict, snapshot)

    async def _write(
        self,
        entries: Sequence[JournalEntry],
        snapshot: Snapshot,
        asked: Mapping[str, OriginatedLeg],
        line: Line,
    ) -> None:
        # wallets first: who holds one is met at once
        for one in wallet_changes(self._wallets, entries, snapshot):
            line.send(one)
        for one in transfer_moves(self._transfers, entries, snapshot):
            line.send(one)
        await asyncio.sleep(0)  # the server has them, while documents are made
        documents = [
            from_entry(
                entry,
                entry_id=new_id(Prefix.ENTRY),
                event_id=new_id(Prefix.EVENT),
                origin=asked[entry.key].origin,
                traceparent=asked[entry.key].traceparent,
            )
            for entry in entries
        ]
        line.send(insertion(self._journal, documents))


def wallet_of(leg: LegRequest, transfers: Mapping[str, Transfer]) -> str | None:
    """The wallet a leg would write, where one is known."""
    transfer = transfers.get(leg.transfer_id)
    if transfer is None or leg.leg is Leg.POST:
        return None
    return touched_wallet_id(leg.leg, transfer)


def _touched(legs: Iterable[OriginatedLeg], transfers: Mapping[str, Transfer]) -> set[str]:
    return set(filter(None, (wallet_of(leg.request, transfers) for leg in legs)))


def _all_applied(verdict: Verdict) -> bool:
    return all(isinstance(one, StepAnswer) and one.applied for one in verdict.answers)


def wallet_changes(
    wallets: Collection, entries: Iterable[JournalEntry], snapshot: Snapshot
) -> list[Write]:
    """What the entries do to the wallets, if anything, as one write."""
    updates = wallet_updates(entries, snapshot)
    return [changes(wallets, updates, len(updates))] if updates else []


def wallet_updates(entries: Iterable[JournalEntry], snapshot: Snapshot) -> list[dict[str, Any]]:
    """An update for each wallet that the entries change."""
    # a wallet is written once, with its last state, guarded by the version that was read
    last = {entry.change.wallet_id: entry.change for entry in entries if entry.change}
    return [
        {
            "q": {
                "_id": wallet_id,
                "sequence": snapshot.wallets[wallet_id].sequence,
                "status": snapshot.wallets[wallet_id].status.value,
            },
            "u": {"$set": {"balance": change.balance_after, "sequence": change.wallet_sequence}},
        }
        for wallet_id, change in last.items()
    ]


def transfer_moves(
    transfers: Collection, entries: Iterable[JournalEntry], snapshot: Snapshot
) -> list[Write]:
    """What the entries do to the transfers.

    Those that go the same way (and many do) go in one update: one for each costs five times
    as much.
    """
    alike: dict[tuple[str, int, str], list[Transfer]] = {}
    for transfer in {entry.transfer.id: entry.transfer for entry in entries}.values():
        before = snapshot.transfers[transfer.id]
        way = (before.status.value, before.sequence, repr(transfer_state(transfer)))
        alike.setdefault(way, []).append(transfer)
    moves = []
    for (status, sequence, _), moved in alike.items():
        for start in range(0, len(moved), MOVED_AT_ONCE):
            part = moved[start : start + MOVED_AT_ONCE]
            ids = sorted(transfer.id for transfer in part)
            move = {
                "q": {"_id": {"$in": ids}, "status": status, "sequence": sequence},
                "u": {"$set": transfer_state(part[0])},
                "multi": True,
                "hint": {"_id": 1},  # else plans over other indexes are tried as well
            }
            moves.append(changes(transfers, [move], len(part)))
    return moves


def _any_of(ids: Iterable[str]) -> dict[str, Any]:
    return {"_id": {"$in": sorted(ids)}}
