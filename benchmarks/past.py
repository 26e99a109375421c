"""A past: finished transfers and their journal, written in bulk as the books would have it.

Decided by the domain's own rules and mapped by the storage's own functions, so that every sum,
sequence and balance is right; only HTTP, Temporal and the transactions are left out.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pymongo.write_concern import WriteConcern

from benchmarks.ground import Database
from benchmarks.town import Resident, Town
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import JournalEntry, Leg, LegRequest, Snapshot, decide
from payflow.domain.money import Money
from payflow.domain.movements import Movement, MovementKind
from payflow.domain.ports import IdempotencyClaim, Origin
from payflow.domain.transfers import Transfer
from payflow.domain.wallets import Wallet
from payflow.storage.identity import SystemClock, new_id
from payflow.storage.mapping import (
    claim_fields,
    from_acceptance,
    from_entry,
    from_movement,
    from_transfer,
    from_wallet,
)

AGO = timedelta(days=30)
APART = timedelta(milliseconds=10)
CHUNK = 500  # transfers; about 3 MB of documents
LEGS = (Leg.DEBIT, Leg.CREDIT, Leg.POST)
NOWHERE = Origin("past", "past", "past", 1)
# Speed of preparation only: a checkpoint is forced before anything is measured.
FAST = WriteConcern(w=1, j=False)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A payer and a payee with wallets of their own, which live transfers do not touch."""

    source_id: str
    destination_id: str
    payer_id: str
    payee_id: str

    def transfer(self, at: datetime) -> Transfer:
        """A transfer of one minor unit, just accepted."""
        transfer_id = new_id(Prefix.TRANSFER, at)
        return Transfer(
            id=transfer_id,
            money=Money(1, "USD"),
            source_wallet_id=self.source_id,
            destination_wallet_id=self.destination_id,
            payer_id=self.payer_id,
            payee_id=self.payee_id,
            workflow_id=f"transfer/{transfer_id}",
            created_at=at,
            updated_at=at,
        )


class Past:
    """Writes a town's past, oldest first."""

    def __init__(self, database: Database, town: Town) -> None:
        self._database = database
        self._begun = SystemClock().now() - AGO
        self._wallets: dict[str, Wallet] = {}
        self._pairs = [self._pair(town.residents, at) for at in range(len(town.residents))]

    async def write(self, transfers: int) -> None:
        """So many finished transfers, evenly over the residents."""
        await self._insert("journal", [self._funded(pair, transfers) for pair in self._pairs])
        writing: asyncio.Future[Any] = asyncio.ensure_future(asyncio.sleep(0))
        for first in range(0, transfers, CHUNK):
            written, drawn = writing, self._drawn_up(range(first, min(first + CHUNK, transfers)))
            writing = asyncio.gather(*(self._insert(name, kept) for name, kept in drawn.items()))
            await written  # the chunk before: mongod writes while the next one is drawn up
        await writing
        await self._insert("wallets", [from_wallet(wallet) for wallet in self._wallets.values()])
        await self._database.client.admin.command("fsync")

    def _pair(self, residents: Sequence[Resident], at: int) -> _Pair:
        payer, payee = residents[at - 1], residents[at]
        ids = []
        for owner in (payer, payee):
            wallet = Wallet(new_id(Prefix.WALLET, self._begun), owner.user_id, "USD", self._begun)
            self._wallets[wallet.id] = wallet
            ids.append(wallet.id)
        return _Pair(ids[0], ids[1], payer.user_id, payee.user_id)

    def _funded(self, pair: _Pair, amount: int) -> dict[str, Any]:
        movement = Movement(
            id=new_id(Prefix.DEPOSIT, self._begun),
            kind=MovementKind.DEPOSIT,
            wallet_id=pair.source_id,
            money=Money(amount, "USD"),
            created_at=self._begun,
        )
        after = self._wallets[pair.source_id] = self._wallets[pair.source_id].moved(amount)
        claim = IdempotencyClaim(pair.payer_id, f"past-{pair.source_id}", "past")
        entry_id, event_id = new_id(Prefix.ENTRY), new_id(Prefix.EVENT)
        return from_movement(movement, after, claim, entry_id=entry_id, event_id=event_id)

    def _drawn_up(self, numbers: range) -> dict[str, list[dict[str, Any]]]:
        """The documents of a chunk, by collection."""
        transfers = [
            self._pairs[number % len(self._pairs)].transfer(self._begun + number * APART)
            for number in numbers
        ]
        entries = self._decided(transfers)
        ended = {entry.transfer.id: entry.transfer for entry in entries}
        return {
            "transfers": [from_transfer(one) for one in ended.values()],
            "journal": [*map(_init, transfers), *map(_entry, entries)],
        }

    def _decided(self, transfers: Sequence[Transfer]) -> list[JournalEntry]:
        legs = [LegRequest(transfer.id, leg) for transfer in transfers for leg in LEGS]
        snapshot = Snapshot({one.id: one for one in transfers}, self._wallets, {})
        entries = decide(legs, snapshot, transfers[-1].created_at).entries
        for entry in entries:
            if (change := entry.change) is not None:
                self._wallets[change.wallet_id] = replace(
                    self._wallets[change.wallet_id],
                    balance=change.balance_after,
                    sequence=change.wallet_sequence,
                )
        return entries

    async def _insert(self, collection: str, documents: Sequence[dict[str, Any]]) -> None:
        kept = self._database[collection].with_options(write_concern=FAST)
        await kept.insert_many(documents, ordered=False)


def _init(transfer: Transfer) -> dict[str, Any]:
    entry_id, event_id = new_id(Prefix.ENTRY), new_id(Prefix.EVENT)
    init = from_acceptance(transfer, entry_id=entry_id, event_id=event_id, request_id=None)
    claim = IdempotencyClaim(transfer.payer_id, transfer.id, "past")
    return {**init, "idempotency": claim_fields(claim)}


def _entry(entry: JournalEntry) -> dict[str, Any]:
    entry_id, event_id = new_id(Prefix.ENTRY), new_id(Prefix.EVENT)
    return from_entry(entry, entry_id=entry_id, event_id=event_id, origin=NOWHERE)
