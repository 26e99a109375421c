"""Wallets over MongoDB: opened, read, listed, frozen, closed, filled and emptied."""

from typing import Any

from pymongo import DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from payflow.domain.errors import NotFound, WalletLimitReached
from payflow.domain.identifiers import Prefix
from payflow.domain.movements import Movement, MovementKind, decide_movement
from payflow.domain.observing import UNOBSERVED, Observer, WalletAct
from payflow.domain.ports import (
    Clock,
    IdempotencyClaim,
    MovementOrder,
    Page,
    WalletEntry,
    Written,
)
from payflow.domain.repair_ports import OperatorAct
from payflow.domain.transfers import TransferStatus
from payflow.domain.users import Principal
from payflow.domain.wallets import Wallet, WalletStatus, closed, frozen, unfrozen
from payflow.storage.audit import MongoAuditLog
from payflow.storage.books_collections import BooksCollections
from payflow.storage.claims import find_claimed
from payflow.storage.drawing import Purse
from payflow.storage.endings import OPEN, UNFINISHED
from payflow.storage.identity import new_id
from payflow.storage.mapping import (
    from_movement,
    from_wallet,
    to_movement,
    to_wallet,
    to_wallet_entry,
)
from payflow.storage.memory import Memory
from payflow.storage.pages import page_of
from payflow.storage.transactions import (
    WriteConflict,
    in_transaction,
    translated,
)
from payflow.storage.visibility import owned_by, visible_to

# Open wallets of one user. A payment by address reads all of the payee's; 1,000 take 5 ms.
MAX_WALLETS = 1_000

_IN_TRANSIT = [status.value for status in TransferStatus if status.has_money_in_transit]
_ACT = {
    WalletStatus.ACTIVE: WalletAct.UNFROZEN,
    WalletStatus.FROZEN: WalletAct.FROZEN,
    WalletStatus.CLOSED: WalletAct.CLOSED,
}
_MOVEMENT_PREFIX = {
    MovementKind.DEPOSIT: Prefix.DEPOSIT,
    MovementKind.WITHDRAWAL: Prefix.WITHDRAWAL,
}


def new_wallet(owner_id: str, currency: str, name: str | None, clock: Clock) -> Wallet:
    """An empty, active wallet that is not stored yet."""
    now = clock.now()
    return Wallet(new_id(Prefix.WALLET, now), owner_id, currency, now, name)


class MongoWallets:
    """The ``Wallets`` port."""

    def __init__(
        self,
        books: BooksCollections,
        clock: Clock,
        memory: Memory,
        audit: MongoAuditLog,
        observer: Observer = UNOBSERVED,
        *,
        most: int = MAX_WALLETS,
    ) -> None:
        self._books = books
        self._audit = audit
        self._recent = memory.wallets
        self._purses = memory.purses
        self._observer = observer
        self._clock = clock
        self._most = most

    async def open(self, owner_id: str, currency: str, name: str | None) -> Wallet:
        """Open an empty, active wallet.

        They are counted before: openings at the same moment may pass the limit by as many.
        """
        wallet = new_wallet(owner_id, currency, name, self._clock)
        owned = {"owner_id": owner_id, "status": {"$ne": WalletStatus.CLOSED.value}}
        with translated():
            if await self._books.wallets.count_documents(owned, limit=self._most) >= self._most:
                raise WalletLimitReached(self._most)
            await self._books.wallets.insert_one(from_wallet(wallet))
        self._purses.keep(Purse(wallet.id, wallet.owner_id, wallet.currency))
        self._recent.keep(wallet)
        self._observer.wallet_changed(WalletAct.OPENED)
        return wallet

    async def get(self, wallet_id: str, viewer: Principal) -> Wallet:
        """Read one, if the viewer may see it."""
        with translated():
            return to_wallet(await self._read(visible_to(viewer, wallet_id)))

    async def list(self, viewer: Principal, *, limit: int, after: str | None) -> Page[Wallet]:
        """The viewer's own wallets, newest first."""
        query = owned_by(viewer, after=after)
        found = self._books.wallets.find(query, sort=[("_id", DESCENDING)], limit=limit + 1)
        with translated():
            documents = await found.to_list()
        return page_of(documents, limit, to_wallet)

    async def entries(
        self, wallet_id: str, viewer: Principal, *, limit: int, after: str | None
    ) -> Page[WalletEntry]:
        """The wallet's ledger entries, newest first."""
        await self.get(wallet_id, viewer)
        before = {"$lt": int(after)} if after is not None else {"$gt": 0}
        found = self._books.journal.find(
            {"wallet_id": wallet_id, "wallet_sequence": before},
            sort=[("wallet_sequence", DESCENDING)],
            limit=limit + 1,
        )
        with translated():
            documents = await found.to_list()
        return page_of(documents, limit, to_wallet_entry, lambda one: str(one["wallet_sequence"]))

    async def set_status(self, wallet_id: str, status: WalletStatus) -> Wallet:
        """Freeze, unfreeze or close, in a transaction that reads what it decides by."""

        async def work(session: AsyncClientSession) -> tuple[Wallet, bool]:
            before = to_wallet(await self._read({"_id": wallet_id}, session))
            if before.status is status:
                return before, False
            after = await self._with_status(before, status, session)
            await self._books.wallets.update_one(
                {"_id": wallet_id}, {"$set": {"status": after.status.value}}, session=session
            )
            return after, True

        wallet, changed = await in_transaction(self._books.client, work)
        if changed:
            self._recent.forget([wallet_id])
            self._observer.wallet_changed(_ACT[status])
        return wallet

    async def move(
        self,
        order: MovementOrder,
        claim: IdempotencyClaim,
        viewer: Principal,
        act: OperatorAct | None = None,
    ) -> Written[Movement]:
        """Deposit or withdraw, in one transaction around one journal document.

        An operator's has its line in the audit log in the same one; a replay is no act.
        """
        with translated():
            if winner := await find_claimed(self._books.journal, claim):
                return Written(to_movement(winner), replayed=True)
        now = self._clock.now()
        movement = Movement(
            id=new_id(_MOVEMENT_PREFIX[order.kind], now),
            kind=order.kind,
            wallet_id=order.wallet_id,
            money=order.money,
            created_at=now,
            reference=order.reference,
        )
        try:
            written, wallet = await self._write(movement, claim, viewer, act)
        except DuplicateKeyError:
            with translated():
                if winner := await find_claimed(self._books.journal, claim):
                    return Written(to_movement(winner), replayed=True)
            raise
        self._recent.keep(wallet)
        self._observer.moved(written)
        return Written(written, replayed=False)

    async def _write(
        self,
        movement: Movement,
        claim: IdempotencyClaim,
        viewer: Principal,
        act: OperatorAct | None,
    ) -> tuple[Movement, Wallet]:
        """The movement as it is in the books, and the wallet as it left it."""

        async def work(session: AsyncClientSession) -> tuple[Movement, Wallet]:
            visible = visible_to(viewer, movement.wallet_id)
            before = to_wallet(await self._read(visible, session))
            after = decide_movement(movement, before)
            moved = await self._books.wallets.update_one(
                {"_id": before.id, "sequence": before.sequence},
                {"$set": {"balance": after.balance, "sequence": after.sequence}},
                session=session,
            )
            if moved.matched_count != 1:
                raise WriteConflict(f"wallet {before.id} moved on")
            document = from_movement(
                movement,
                after,
                claim,
                entry_id=new_id(Prefix.ENTRY),
                event_id=new_id(Prefix.EVENT),
            )
            await self._books.journal.insert_one(document, session=session)
            if act is not None:
                await self._audit.write(act, session)
            return to_movement(document), after

        return await self._audit.in_transaction(act, work)

    async def _with_status(
        self, wallet: Wallet, status: WalletStatus, session: AsyncClientSession
    ) -> Wallet:
        if status is WalletStatus.FROZEN:
            return frozen(wallet)
        if status is WalletStatus.ACTIVE:
            return unfrozen(wallet)
        under_way = await self._books.transfers.count_documents(
            {"source_wallet_id": wallet.id, "status": {"$in": _IN_TRANSIT}, **UNFINISHED},
            limit=1,
            hint=OPEN,
            session=session,
        )
        return closed(wallet, open_transfers=under_way)

    async def _read(
        self, wanted: dict[str, Any], session: AsyncClientSession | None = None
    ) -> dict[str, Any]:
        fields = await self._books.wallets.find_one(wanted, session=session)
        if fields is None:
            raise NotFound("wallet", wanted["_id"])
        return fields
