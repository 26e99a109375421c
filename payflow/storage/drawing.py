"""A transfer drawn up from what was asked and the wallets it names; nothing is written here."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from payflow.domain.batches import BatchPlace
from payflow.domain.errors import CurrencyMismatch, SameWallet
from payflow.domain.identifiers import Prefix
from payflow.domain.ports import TransferOrder
from payflow.domain.transfers import Transfer
from payflow.domain.wallets import Wallet, WalletStatus
from payflow.storage.identity import new_id


@dataclass(frozen=True, slots=True)
class Purse:
    """What of a wallet never changes: all that a new transfer asks of it."""

    id: str
    owner_id: str
    currency: str


def draw_up(
    order: TransferOrder,
    source: Purse | Wallet,
    destination: Purse | Wallet,
    now: datetime,
    place: BatchPlace | None = None,
) -> Transfer:
    """The transfer between these wallets; with a ``place``, as that item of its batch.

    Raises:
        SameWallet, CurrencyMismatch: it may not be.
    """
    if source.id == destination.id:
        raise SameWallet
    for wallet in (source, destination):
        if wallet.currency != order.money.currency:
            raise CurrencyMismatch(wallet.id, wallet.currency, order.money.currency)
    transfer_id = new_id(Prefix.TRANSFER, now)
    return Transfer(
        id=transfer_id,
        money=order.money,
        source_wallet_id=source.id,
        destination_wallet_id=destination.id,
        payer_id=source.owner_id,
        payee_id=destination.owner_id,
        workflow_id=f"batch/{place.batch_id}" if place else f"transfer/{transfer_id}",
        created_at=now,
        updated_at=now,
        description=order.description,
        metadata=order.metadata,
        place=place,
    )


def paid_first(wallets: Iterable[Wallet]) -> Wallet:
    """Which of a person's wallets is paid: the oldest; one that is not closed goes first."""
    return min(wallets, key=lambda wallet: (wallet.status is WalletStatus.CLOSED, wallet.id))
