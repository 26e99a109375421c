"""The items of a batch, held against the wallets they name: all of them, or what is wrong."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from payflow.domain.batch_ports import BatchOrder
from payflow.domain.batches import BatchPlace
from payflow.domain.errors import (
    CurrencyMismatch,
    DestinationNotFound,
    ItemProblem,
    ItemsRefused,
    NotFound,
    PayflowError,
    RecipientNotFound,
    SameWallet,
)
from payflow.domain.ports import TransferOrder
from payflow.domain.transfers import Transfer
from payflow.domain.wallets import Wallet
from payflow.storage.books_collections import BooksCollections
from payflow.storage.drawing import draw_up, paid_first
from payflow.storage.mapping import to_wallet
from payflow.storage.reading import each_readable
from payflow.storage.slices import slices

MAX_PROBLEMS = 100  # told at once; the next try tells of the others

_FIELDS: dict[type[PayflowError], str] = {
    NotFound: "source_wallet_id",
    DestinationNotFound: "destination_wallet_id",
    RecipientNotFound: "destination_email",
    SameWallet: "destination_wallet_id",
    CurrencyMismatch: "currency",
}


async def draw_up_items(
    books: BooksCollections, batch_id: str, order: BatchOrder, now: datetime
) -> list[Transfer]:
    """The items' transfers, in order.

    Raises:
        ItemsRefused: some may not be; the first hundred of them are named.
    """
    known = await _Directory.read(books, order.items)
    # 10,000 take 0.2 s: in a thread, so that others are served meanwhile
    return await asyncio.to_thread(_draw_up, known, batch_id, order, now)


def _draw_up(
    known: "_Directory", batch_id: str, order: BatchOrder, now: datetime
) -> list[Transfer]:
    transfers, problems = [], []
    for index, item in enumerate(order.items):
        place = BatchPlace(batch_id, index, order.mode)
        try:
            destination = known.destination(item)
            transfers.append(draw_up(item, known.source(item), destination, now, place))
        except PayflowError as reason:
            problems.append(ItemProblem(index, _FIELDS[type(reason)], reason))
            if len(problems) == MAX_PROBLEMS:
                break
    if problems:
        raise ItemsRefused(problems)
    return transfers


@dataclass(frozen=True, slots=True)
class _Directory:
    """The wallets that some orders name, read in slices whatever their number."""

    wallets: dict[str, Wallet]
    paid: dict[tuple[str, str], Wallet]  # by email address and currency

    @classmethod
    async def read(cls, books: BooksCollections, orders: Iterable[TransferOrder]) -> "_Directory":
        ids, emails = set(), set()
        for order in orders:
            ids |= {order.source_wallet_id, order.destination_wallet_id or ""}
            emails |= {order.destination_email or ""}
        wallets: dict[str, Wallet] = {}
        for part in slices(sorted(ids)):
            found = books.wallets.find({"_id": {"$in": part}})
            wallets |= {one.id: one async for one in each_readable(to_wallet, found)}
        return cls(wallets, await _paid(books, emails - {""}))

    def source(self, order: TransferOrder) -> Wallet:
        wallet = self.wallets.get(order.source_wallet_id)
        if wallet is None or wallet.owner_id != order.payer_id:
            raise NotFound("wallet", order.source_wallet_id)
        return wallet

    def destination(self, order: TransferOrder) -> Wallet:
        if order.destination_wallet_id is not None:
            wallet = self.wallets.get(order.destination_wallet_id)
            if wallet is None:
                raise DestinationNotFound(order.destination_wallet_id)
            return wallet
        wallet = self.paid.get((order.destination_email or "", order.money.currency))
        if wallet is None:
            raise RecipientNotFound(order.money.currency)
        return wallet


async def _paid(books: BooksCollections, emails: set[str]) -> dict[tuple[str, str], Wallet]:
    candidates: dict[tuple[str, str], list[Wallet]] = {}
    for part in slices(sorted(emails)):
        users = books.users.find({"email": {"$in": part}}, {"email": 1})
        email_of = {user["_id"]: user["email"] async for user in users}
        found = books.wallets.find({"owner_id": {"$in": sorted(email_of)}})
        async for wallet in each_readable(to_wallet, found):
            key = (email_of[wallet.owner_id], wallet.currency)
            candidates.setdefault(key, []).append(wallet)
    return {key: paid_first(wallets) for key, wallets in candidates.items()}
