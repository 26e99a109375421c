"""Transfers over MongoDB: accepted in one transaction, read by their parties, listed by key."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from loguru import logger
from pymongo import DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from payflow.domain.errors import (
    CurrencyMismatch,
    DestinationNotFound,
    NotFound,
    RecipientNotFound,
    SameWallet,
)
from payflow.domain.identifiers import Prefix, journal_key
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.domain.ports import (
    Clock,
    IdempotencyClaim,
    Page,
    TransferFilter,
    TransferOrder,
    Written,
)
from payflow.domain.transfers import Transfer
from payflow.domain.users import Principal
from payflow.domain.wallets import Wallet, WalletStatus
from payflow.storage.bell import TerminalBell
from payflow.storage.books_collections import BooksCollections
from payflow.storage.claims import find_claimed
from payflow.storage.door import UNFINISHED, Door
from payflow.storage.identity import lowest_id, new_id
from payflow.storage.mapping import (
    claim_fields,
    from_transfer,
    to_transfer,
    to_wallet,
    transfer_event,
)
from payflow.storage.pages import page_of
from payflow.storage.transactions import in_transaction, translated


class MongoTransfers:
    """The ``Transfers`` port."""

    def __init__(
        self,
        books: BooksCollections,
        clock: Clock,
        bell: TerminalBell,
        door: Door,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._books = books
        self._observer = observer
        self._door = door
        self._clock = clock
        self._bell = bell

    async def accept(self, order: TransferOrder, claim: IdempotencyClaim) -> Written[Transfer]:
        """Write the transfer and its ``:init`` document, or find what the key stands for."""
        with translated():
            if winner := await self._claimed(claim):
                return Written(winner, replayed=True)
            await self._door.check()
            transfer = await self._draw_up(order)
        try:
            await self._write(transfer, order, claim)
        except DuplicateKeyError:
            # another request with this key won; its commit is why ours collided
            with translated():
                if winner := await self._claimed(claim):
                    return Written(winner, replayed=True)
            raise
        self._observer.accepted(transfer)
        return Written(transfer, replayed=False)

    async def get(self, transfer_id: str, viewer: Principal) -> Transfer:
        """Read one, if the viewer may see it."""
        wanted: dict[str, Any] = {"_id": transfer_id}
        if not viewer.is_operator:
            wanted["party_ids"] = viewer.user_id
        with translated():
            fields = await self._books.transfers.find_one(wanted)
        if fields is None:
            raise NotFound("transfer", transfer_id)
        return to_transfer(fields)

    async def list(
        self, viewer: Principal, wanted: TransferFilter, *, limit: int, after: str | None
    ) -> Page[Transfer]:
        """The transfers the viewer may see, newest first."""
        found = self._books.transfers.find(
            transfers_wanted(viewer, wanted, after), sort=[("_id", DESCENDING)], limit=limit + 1
        )
        with translated():
            documents = await found.to_list()
        return page_of([to_transfer(fields) for fields in documents], limit, lambda t: t.id)

    async def wait_terminal(self, transfer_id: str, timeout_s: float) -> Transfer:
        """The transfer as soon as it is terminal, or as it stands after ``timeout_s``."""

        async def read() -> Transfer:
            with translated():
                fields = await self._books.transfers.find_one({"_id": transfer_id})
            if fields is None:
                raise NotFound("transfer", transfer_id)
            return to_transfer(fields)

        return await self._bell.wait(transfer_id, timeout_s, read)

    async def unfinished(self) -> dict[str, Transfer]:
        """Every transfer that is not terminal, by id."""
        with translated():
            return {
                fields["_id"]: to_transfer(fields)
                async for fields in self._books.transfers.find({"status": {"$in": UNFINISHED}})
            }

    async def _claimed(self, claim: IdempotencyClaim) -> Transfer | None:
        init = await find_claimed(self._books.journal, claim)
        if init is None:
            return None
        fields = await self._books.transfers.find_one({"_id": init["transfer_id"]})
        return to_transfer(fields) if fields else None

    async def _draw_up(self, order: TransferOrder) -> Transfer:
        source, destination = await self._named(order)
        if source is None or source.owner_id != order.payer_id:
            raise NotFound("wallet", order.source_wallet_id)
        if order.destination_email is not None:
            destination = await self._wallet_of_email(order.destination_email, order.money.currency)
        if destination is None:
            raise DestinationNotFound(order.destination_wallet_id or "")
        if source.id == destination.id:
            raise SameWallet
        for wallet in (source, destination):
            if wallet.currency != order.money.currency:
                raise CurrencyMismatch(wallet.id, wallet.currency, order.money.currency)
        now = self._clock.now()
        transfer_id = new_id(Prefix.TRANSFER, now)
        return Transfer(
            id=transfer_id,
            money=order.money,
            source_wallet_id=source.id,
            destination_wallet_id=destination.id,
            payer_id=source.owner_id,
            payee_id=destination.owner_id,
            workflow_id=f"transfer/{transfer_id}",
            created_at=now,
            updated_at=now,
            description=order.description,
            metadata=order.metadata,
        )

    async def _write(
        self, transfer: Transfer, order: TransferOrder, claim: IdempotencyClaim
    ) -> None:
        init: dict[str, Any] = {
            "_id": journal_key(transfer.id, "init"),
            "leg": "init",
            "transfer_id": transfer.id,
            "currency": transfer.money.currency,
            "postings": [],
            "entry_id": new_id(Prefix.ENTRY),
            "event": transfer_event(new_id(Prefix.EVENT), "transfer.initiated", transfer),
            "idempotency": claim_fields(claim),
            "request_id": order.request_id,
            "created_at": transfer.created_at,
        }
        if traceparent := self._observer.traceparent():
            init["traceparent"] = traceparent

        async def work(session: AsyncClientSession) -> None:
            await self._books.journal.insert_one(init, session=session)
            await self._books.transfers.insert_one(from_transfer(transfer), session=session)

        await in_transaction(self._books.client, work)

    async def _named(self, order: TransferOrder) -> tuple[Wallet | None, Wallet | None]:
        """The wallets the order names, in one round trip."""
        names = [order.source_wallet_id, order.destination_wallet_id]
        found = await self._books.wallets.find({"_id": {"$in": names}}).to_list()
        wallets = {fields["_id"]: to_wallet(fields) for fields in found}
        return wallets.get(names[0]), wallets.get(names[1] or "")

    async def _wallet_of_email(self, email: str, currency: str) -> Wallet:
        """The oldest wallet of that person in that currency; one that is not closed goes first."""
        user = await self._books.users.find_one({"email": email}, {"_id": 1})
        if user is None:
            raise RecipientNotFound(currency)
        candidates = [
            to_wallet(fields)
            async for fields in self._books.wallets.find(
                {"owner_id": user["_id"], "currency": currency}
            )
        ]
        if not candidates:
            raise RecipientNotFound(currency)
        return min(candidates, key=lambda w: (w.status is WalletStatus.CLOSED, w.id))


def _readable(documents: Iterable[dict[str, Any]]) -> Iterator[Transfer]:
    """The transfers that can be read; one that somebody spoilt must not hold up the others."""
    for fields in documents:
        try:
            yield to_transfer(fields)
        except (ValueError, KeyError, TypeError) as error:
            logger.error("transfer {} cannot be read: {!r}", fields["_id"], error)


def transfers_wanted(
    viewer: Principal, wanted: TransferFilter, after: str | None
) -> dict[str, Any]:
    """The query of a list: what the viewer may see of what is wanted, from ``after`` on."""
    query: dict[str, Any] = {}
    if not viewer.is_operator:
        query["party_ids"] = viewer.user_id
    if wanted.status is not None:
        query["status"] = wanted.status.value
    if wanted.wallet_id is not None:
        query["wallet_ids"] = wanted.wallet_id
    if wanted.needs_attention is not None:
        query["needs_attention"] = wanted.needs_attention
    bounds: dict[str, str] = {}
    if after is not None:
        bounds["$lt"] = after
    if wanted.created_before is not None:
        # ids begin with their time, so a time bound is a key bound
        bound = lowest_id(Prefix.TRANSFER, wanted.created_before)
        bounds["$lt"] = min(bound, bounds.get("$lt", bound))
    if wanted.created_after is not None:
        bounds["$gte"] = lowest_id(
            Prefix.TRANSFER, wanted.created_after + timedelta(milliseconds=1)
        )
    if bounds:
        query["_id"] = bounds
    return query
