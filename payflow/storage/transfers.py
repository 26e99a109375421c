"""Transfers over MongoDB: accepted in one transaction, read by their parties, listed by key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from payflow.domain.errors import (
    DestinationNotFound,
    NotFound,
    PayflowError,
    RecipientNotFound,
    TooManyUnfinished,
    Trouble,
)
from payflow.domain.identifiers import Prefix
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
from payflow.domain.wallets import Wallet
from payflow.storage.acceptance import Acceptance
from payflow.storage.bell import TerminalBell
from payflow.storage.books_collections import BooksCollections
from payflow.storage.claims import find_claimed
from payflow.storage.door import Door
from payflow.storage.drawing import Purse, draw_up, paid_first
from payflow.storage.endings import (
    HAS_ENDED,
    OPEN,
    OUTCOME,
    PARTY_OUTCOME,
    PARTY_UNFINISHED,
    UNFINISHED,
    standing,
)
from payflow.storage.identity import lowest_id, new_id
from payflow.storage.mapping import (
    claim_fields,
    from_acceptance,
    from_transfer,
    to_transfer,
    to_wallet,
)
from payflow.storage.memory import Memory
from payflow.storage.pages import page_of
from payflow.storage.reading import each_readable
from payflow.storage.transactions import translated
from payflow.storage.visibility import visible_to, whatever_is_of


class MongoTransfers:
    """The ``Transfers`` port."""

    def __init__(
        self,
        books: BooksCollections,
        clock: Clock,
        bell: TerminalBell,
        door: Door,
        memory: Memory,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._books = books
        self._observer = observer
        self._door = door
        self._clock = clock
        self._bell = bell
        self._recent = memory.transfers
        self._acceptance = Acceptance(books)
        self._purses = memory.purses

    async def accept(self, order: TransferOrder, claim: IdempotencyClaim) -> Written[Transfer]:
        """Write the transfer and its ``:init`` document, or find what the key stands for."""
        try:
            with translated():
                await self._door.check(order.payer_id)
                transfer = await self._draw_up(order)
            await self._write(transfer, order, claim)
        except (DuplicateKeyError, PayflowError) as refusal:
            # Most keys are new, so nobody looks before: a key that is taken collides, and what
            # it stands for is the answer, whatever there is to say against a new transfer.
            if isinstance(refusal, Trouble) and not isinstance(refusal, TooManyUnfinished):
                raise
            with translated():
                if winner := await self._claimed(claim):
                    return Written(winner, replayed=True)
            raise
        self._recent.remember(transfer)
        self._observer.accepted(transfer)
        return Written(transfer, replayed=False)

    async def get(self, transfer_id: str, viewer: Principal) -> Transfer:
        """Read one, if the viewer may see it."""
        with translated():
            fields = await self._books.transfers.find_one(
                visible_to(viewer, transfer_id, "party_ids")
            )
        if fields is None:
            raise NotFound("transfer", transfer_id)
        return to_transfer(fields)

    async def list(
        self, viewer: Principal, wanted: TransferFilter, *, limit: int, after: str | None
    ) -> Page[Transfer]:
        """The transfers the viewer may see, newest first."""
        query = transfers_wanted(viewer, wanted, after)
        found = self._books.transfers.find(
            query, sort=[("_id", DESCENDING)], limit=limit + 1, hint=index_for(query)
        )
        with translated():
            documents = await found.to_list()
        return page_of(documents, limit, to_transfer)

    async def wait_terminal(
        self,
        transfer_id: str,
        timeout_s: float,
        *,
        once: Awaitable[None] | None = None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> Transfer:
        """The transfer as soon as it is terminal, or as it stands after ``timeout_s``."""

        async def read() -> Transfer:
            with translated():
                fields = await self._books.transfers.find_one({"_id": transfer_id})
            if fields is None:
                raise NotFound("transfer", transfer_id)
            return to_transfer(fields)

        return await self._bell.wait(transfer_id, timeout_s, read, once, given_up)

    async def unfinished(self) -> dict[str, Transfer]:
        """Every transfer that is not terminal and can be read, by id."""
        with translated():
            found = self._books.transfers.find(UNFINISHED, hint=OPEN)
            return {one.id: one async for one in each_readable(to_transfer, found)}

    async def _claimed(self, claim: IdempotencyClaim) -> Transfer | None:
        init = await find_claimed(self._books.journal, claim)
        if init is None:
            return None
        fields = await self._books.transfers.find_one({"_id": init["transfer_id"]})
        return to_transfer(fields) if fields else None

    async def _draw_up(self, order: TransferOrder) -> Transfer:
        destination: Purse | Wallet | None
        source, destination = await self._named(order)
        if source is None or source.owner_id != order.payer_id:
            raise NotFound("wallet", order.source_wallet_id)
        if order.destination_email is not None:
            destination = await self._wallet_of_email(order.destination_email, order.money.currency)
        if destination is None:
            raise DestinationNotFound(order.destination_wallet_id or "")
        return draw_up(order, source, destination, self._clock.now())

    async def _write(
        self, transfer: Transfer, order: TransferOrder, claim: IdempotencyClaim
    ) -> None:
        init = from_acceptance(
            transfer,
            entry_id=new_id(Prefix.ENTRY),
            event_id=new_id(Prefix.EVENT),
            request_id=order.request_id,
        )
        init["idempotency"] = claim_fields(claim)
        if traceparent := self._observer.traceparent():
            init["traceparent"] = traceparent
        await self._acceptance.write(init, from_transfer(transfer))

    async def _named(self, order: TransferOrder) -> tuple[Purse | None, Purse | None]:
        """The wallets the order names."""
        source, destination = order.source_wallet_id, order.destination_wallet_id or ""
        found = await self._purses.of(filter(None, (source, destination)))
        return found.get(source), found.get(destination)

    async def _wallet_of_email(self, email: str, currency: str) -> Wallet:
        """The oldest wallet of that person in that currency; one that is not closed goes first."""
        user = await self._books.users.find_one({"email": email}, {"_id": 1})
        if user is None:
            raise RecipientNotFound(currency)
        found = self._books.wallets.find({"owner_id": user["_id"], "currency": currency})
        candidates = [wallet async for wallet in each_readable(to_wallet, found)]
        if not candidates:
            raise RecipientNotFound(currency)
        return paid_first(candidates)


def transfers_wanted(
    viewer: Principal, wanted: TransferFilter, after: str | None
) -> dict[str, Any]:
    """The query of a list: what the viewer may see of what is wanted, from ``after`` on."""
    query = whatever_is_of(viewer, "party_ids")
    if wanted.status is not None:
        query |= standing(wanted.status)
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
        bounds["$gte"] = lowest_id(Prefix.TRANSFER, wanted.created_after, later_ms=1)
    if bounds:
        query["_id"] = bounds
    return query


def index_for(query: Mapping[str, Any]) -> str | None:
    """The index of a list of one state, which the planner might not take; else it finds its own."""
    if "status" not in query or query.keys() & {"wallet_ids", "needs_attention"}:
        return None
    has_ended = HAS_ENDED.items() <= query.items()
    if "party_ids" in query:
        return PARTY_OUTCOME if has_ended else PARTY_UNFINISHED
    return OUTCOME if has_ended else OPEN
