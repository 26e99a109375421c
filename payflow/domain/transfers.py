"""A transfer and the moves it may make; the store guards each move by the state it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from payflow.domain.batches import BatchPlace
from payflow.domain.money import Money


class TransferStatus(StrEnum):
    """Where a transfer stands; ``completed`` and ``failed`` are terminal."""

    INITIATED = "initiated"
    DEBITED = "debited"
    CREDITED = "credited"
    COMPLETED = "completed"
    REFUNDING = "refunding"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self in (TransferStatus.COMPLETED, TransferStatus.FAILED)

    @property
    def has_money_in_transit(self) -> bool:
        """Whether the amount is in the transfer's transit account, in every snapshot."""
        return self in (TransferStatus.DEBITED, TransferStatus.REFUNDING)


LEGAL_MOVES: Mapping[TransferStatus, frozenset[TransferStatus]] = MappingProxyType(
    {
        TransferStatus.INITIATED: frozenset({TransferStatus.DEBITED, TransferStatus.FAILED}),
        TransferStatus.DEBITED: frozenset({TransferStatus.CREDITED, TransferStatus.REFUNDING}),
        TransferStatus.CREDITED: frozenset({TransferStatus.COMPLETED}),
        TransferStatus.REFUNDING: frozenset({TransferStatus.FAILED}),
        TransferStatus.COMPLETED: frozenset(),
        TransferStatus.FAILED: frozenset(),
    }
)


class FailureCode(StrEnum):
    """Why a transfer failed: stable, for programs."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    WALLET_FROZEN = "wallet_frozen"
    WALLET_CLOSED = "wallet_closed"
    DESTINATION_UNAVAILABLE = "destination_unavailable"
    DEBIT_REJECTED = "debit_rejected"
    CREDIT_REJECTED = "credit_rejected"
    CANCELLED_BY_OPERATOR = "cancelled_by_operator"
    BATCH_REJECTED = "batch_rejected"
    BATCH_STOPPED = "batch_stopped"
    CANCELLED = "cancelled"

    @property
    def message(self) -> str:
        """The same, for people."""
        return _FAILURE_MESSAGES[self]


_FAILURE_MESSAGES: Mapping[FailureCode, str] = MappingProxyType(
    {
        FailureCode.INSUFFICIENT_FUNDS: "The source wallet did not have enough available.",
        FailureCode.WALLET_FROZEN: "The source wallet was frozen.",
        FailureCode.WALLET_CLOSED: "The source wallet was closed.",
        FailureCode.DESTINATION_UNAVAILABLE: "The destination wallet could not take the money.",
        FailureCode.DEBIT_REJECTED: "The debit was rejected by a fault rehearsal.",
        FailureCode.CREDIT_REJECTED: "The credit was rejected by a fault rehearsal.",
        FailureCode.CANCELLED_BY_OPERATOR: "An operator ended the transfer.",
        FailureCode.BATCH_REJECTED: "Another item of the atomic batch was refused.",
        FailureCode.BATCH_STOPPED: "An item before this one failed, which stopped the batch.",
        FailureCode.CANCELLED: "The owner cancelled the batch before this item had begun.",
    }
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer as it stood at one version.

    ``sequence`` counts its events: each move and each mark adds one. ``payer_id`` and
    ``payee_id`` are the owners of the two wallets. ``place`` is None for a transfer of its own.
    """

    id: str
    money: Money
    source_wallet_id: str
    destination_wallet_id: str
    payer_id: str
    payee_id: str
    workflow_id: str
    created_at: datetime
    updated_at: datetime
    status: TransferStatus = TransferStatus.INITIATED
    sequence: int = 1
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    failure: FailureCode | None = None
    refunded: bool = False
    needs_attention: bool = False
    completed_at: datetime | None = None
    place: BatchPlace | None = None

    def moved(
        self, status: TransferStatus, now: datetime, failure: FailureCode | None = None
    ) -> "Transfer":
        """The transfer one legal move later; whatever parked it has passed.

        Raises:
            ValueError: no arrow leads from here to ``status``.
        """
        if status not in LEGAL_MOVES[self.status]:
            raise ValueError(f"{self.id} cannot go from {self.status} to {status}")
        return replace(
            self,
            status=status,
            sequence=self.sequence + 1,
            updated_at=now,
            needs_attention=False,
            failure=failure or self.failure,
            refunded=self.status is TransferStatus.REFUNDING,
            completed_at=now if status.is_terminal else None,
        )

    def parked(self, now: datetime) -> "Transfer":
        """The transfer, waiting for an operator; its state is as it was."""
        return replace(self, sequence=self.sequence + 1, updated_at=now, needs_attention=True)
