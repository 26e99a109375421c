"""A wallet: one currency, one balance, one state."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from payflow.domain.errors import WalletClosed, WalletInUse


class WalletStatus(StrEnum):
    """What a wallet lets its legs do; the table is in ``ledger``."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet as it stood at one version.

    ``balance`` and ``held`` are minor units of ``currency``. ``sequence`` counts the journal
    documents that changed the balance: the n-th of them carries ``wallet_sequence`` n.
    """

    id: str
    owner_id: str
    currency: str
    created_at: datetime
    name: str | None = None
    balance: int = 0
    held: int = 0
    status: WalletStatus = WalletStatus.ACTIVE
    sequence: int = 0

    def __post_init__(self) -> None:
        if self.balance < 0 or self.held < 0:
            raise ValueError(f"wallet {self.id} would hold {self.balance}, held {self.held}")

    @property
    def available(self) -> int:
        """What a debit may take: the balance without what is held."""
        return self.balance - self.held

    def moved(self, change: int) -> "Wallet":
        """The wallet after one more journal document changed its balance."""
        return replace(self, balance=self.balance + change, sequence=self.sequence + 1)


def frozen(wallet: Wallet) -> Wallet:
    """The wallet, refusing debits, credits and deposits; money on its way back still lands."""
    _refuse_closed(wallet)
    return replace(wallet, status=WalletStatus.FROZEN)


def unfrozen(wallet: Wallet) -> Wallet:
    """The wallet, active again."""
    _refuse_closed(wallet)
    return replace(wallet, status=WalletStatus.ACTIVE)


def closed(wallet: Wallet, *, open_transfers: int) -> Wallet:
    """The wallet, closed for good.

    Args:
        wallet: read in the transaction that will write it.
        open_transfers: transfers from it that are ``debited`` or ``refunding``, whose money may
            still come back; read in the same transaction.

    Raises:
        WalletInUse: it holds money, or money of it is still on its way.
    """
    _refuse_closed(wallet)
    if wallet.balance or wallet.held or open_transfers:
        raise WalletInUse(wallet.id)
    return replace(wallet, status=WalletStatus.CLOSED)


def _refuse_closed(wallet: Wallet) -> None:
    if wallet.status is WalletStatus.CLOSED:
        raise WalletClosed(wallet.id)
