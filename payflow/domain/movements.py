"""Money that comes in from the world and goes out to it: one leg, decided at once."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from payflow.domain.errors import (
    BalanceLimitExceeded,
    CurrencyMismatch,
    InsufficientFunds,
    WalletClosed,
    WalletFrozen,
)
from payflow.domain.identifiers import journal_key, world_account
from payflow.domain.ledger import Posting
from payflow.domain.money import MAX_BALANCE_MINOR, Money
from payflow.domain.wallets import Wallet, WalletStatus


class MovementKind(StrEnum):
    """Which way the money crosses our border; also the leg's name in the journal."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True)
class Movement:
    """A deposit or a withdrawal, as asked and, once written, as it stands in the books."""

    id: str
    kind: MovementKind
    wallet_id: str
    money: Money
    created_at: datetime
    reference: str | None = None
    balance_after: int = 0

    @property
    def key(self) -> str:
        """The key of its one journal document."""
        return journal_key(self.id, self.kind)

    @property
    def signed_amount(self) -> int:
        """What it does to the wallet, in minor units."""
        amount = self.money.amount_minor
        return amount if self.kind is MovementKind.DEPOSIT else -amount

    @property
    def postings(self) -> tuple[Posting, Posting]:
        """Its two sides: the wallet, and the world."""
        amount = self.signed_amount
        return (
            Posting(self.wallet_id, amount),
            Posting(world_account(self.money.currency), -amount),
        )


def decide_movement(movement: Movement, wallet: Wallet) -> Wallet:
    """The wallet after the movement.

    Raises:
        CurrencyMismatch, WalletFrozen, WalletClosed, BalanceLimitExceeded, InsufficientFunds:
            it may not happen, and nothing is written.
    """
    if wallet.currency != movement.money.currency:
        raise CurrencyMismatch(wallet.id, wallet.currency, movement.money.currency)
    if wallet.status is WalletStatus.FROZEN:
        raise WalletFrozen(wallet.id)
    if wallet.status is WalletStatus.CLOSED:
        raise WalletClosed(wallet.id)
    if wallet.balance + movement.signed_amount > MAX_BALANCE_MINOR:
        raise BalanceLimitExceeded(wallet.id)
    if wallet.available + movement.signed_amount < 0:
        raise InsufficientFunds(wallet.id)
    return wallet.moved(movement.signed_amount)
