"""The books' state machine: ``decide`` turns legs and what stands written into what to write.

Pure: the same legs over the same snapshot give the same verdict, in any process, at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from payflow.domain.errors import IllegalMove, UnknownTransfer
from payflow.domain.identifiers import journal_key, transit_account, world_account
from payflow.domain.money import MAX_BALANCE_MINOR
from payflow.domain.transfers import FailureCode, Transfer, TransferStatus
from payflow.domain.wallets import Wallet, WalletStatus


class Leg(StrEnum):
    """What a step of the saga does to the books."""

    DEBIT = "debit"
    CREDIT = "credit"
    REFUND = "refund"
    POST = "post"

    @property
    def can_be_refused(self) -> bool:
        """Only debit and credit can; refund and post are applied or not yet."""
        return self in (Leg.DEBIT, Leg.CREDIT)


SETTLED_OUTSIDE = (Leg.CREDIT, Leg.REFUND)  # the legs that take money out of transit


class Outcome(StrEnum):
    """A recorded answer; it is never opened again."""

    APPLIED = "applied"
    REFUSED = "refused"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Posting:
    """One signed side: ``amount`` in minor units comes to (+) or leaves (−) ``account``."""

    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What to write under a leg's key if nothing stands there: the leg shall never happen."""

    code: FailureCode
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class SettledOutside:
    """Two operators vouch that the money of a leg has moved outside of these books.

    ``evidence`` says where that can be seen, such as a bank's reference.
    """

    evidence: str
    reason: str
    proposed_by: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class LegRequest:
    """One leg to take, or (with a ``tombstone``) to settle: found is the answer, else void it.

    ``outside``: the amount has left for the world; a leg that is not found is posted so.

    ``rejected`` is a fault rehearsal's refusal: an input, so that the verdict stays a function.
    ``together``: every item of the batch is decided in the same transaction.
    """

    transfer_id: str
    leg: Leg
    tombstone: Tombstone | None = None
    rejected: bool = False
    together: bool = False
    outside: SettledOutside | None = None

    def __post_init__(self) -> None:
        if (self.tombstone or self.rejected) and not self.leg.can_be_refused:
            raise ValueError(f"{self.leg} can be neither voided nor rejected")
        if self.outside and (self.tombstone or self.leg not in SETTLED_OUTSIDE):
            raise ValueError(f"{self.leg} cannot be settled outside, or not and voided as well")

    @property
    def settles(self) -> bool:
        """Whether it settles what is in doubt instead of taking a step."""
        return self.tombstone is not None or self.outside is not None

    @property
    def key(self) -> str:
        """The key of the one journal document this leg can have."""
        return journal_key(self.transfer_id, self.leg)


@dataclass(frozen=True, slots=True)
class StepAnswer:
    """What the books say of a leg: the first answer, every time it is asked."""

    leg: Leg
    outcome: Outcome
    code: FailureCode | None = None

    @property
    def applied(self) -> bool:
        """Whether the leg happened."""
        return self.outcome is Outcome.APPLIED


@dataclass(frozen=True, slots=True)
class WalletChange:
    """How the one wallet a journal document touches stood after it."""

    wallet_id: str
    wallet_sequence: int
    balance_after: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One decided leg: step record, ledger entry and event in one.

    Raises:
        ValueError: the postings do not add up to zero, or say something without a wallet.
    """

    key: str
    leg: Leg
    answer: StepAnswer
    postings: tuple[Posting, ...]
    change: WalletChange | None
    transfer: Transfer
    tombstone: Tombstone | None = None
    outside: SettledOutside | None = None

    def __post_init__(self) -> None:
        if sum(posting.amount for posting in self.postings) != 0:
            raise ValueError(f"{self.key}: postings do not balance")
        if self.outside is None and bool(self.postings) != (self.change is not None):
            raise ValueError(f"{self.key}: postings and wallet change belong together")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read, in one snapshot, of everything a group of legs concerns.

    ``unreadable`` are the ids of documents that are there and cannot be read: no leg is decided
    without one of them.
    """

    transfers: Mapping[str, Transfer]
    wallets: Mapping[str, Wallet]
    journal: Mapping[str, StepAnswer]
    unreadable: frozenset[str] = frozenset()


@dataclass(slots=True)
class Verdict:
    """What a group of legs comes to: an answer each, in order, and what must be written."""

    answers: list[StepAnswer | IllegalMove] = field(default_factory=list)
    entries: list[JournalEntry] = field(default_factory=list)


LEAVES: Mapping[Leg, TransferStatus] = MappingProxyType(
    {
        Leg.DEBIT: TransferStatus.INITIATED,
        Leg.CREDIT: TransferStatus.DEBITED,
        Leg.POST: TransferStatus.CREDITED,
        Leg.REFUND: TransferStatus.REFUNDING,
    }
)

REACHES: Mapping[tuple[Leg, Outcome], TransferStatus] = MappingProxyType(
    {
        (Leg.DEBIT, Outcome.APPLIED): TransferStatus.DEBITED,
        (Leg.DEBIT, Outcome.REFUSED): TransferStatus.FAILED,
        (Leg.DEBIT, Outcome.VOIDED): TransferStatus.FAILED,
        (Leg.CREDIT, Outcome.APPLIED): TransferStatus.CREDITED,
        (Leg.CREDIT, Outcome.REFUSED): TransferStatus.REFUNDING,
        (Leg.CREDIT, Outcome.VOIDED): TransferStatus.REFUNDING,
        (Leg.REFUND, Outcome.APPLIED): TransferStatus.FAILED,
        (Leg.POST, Outcome.APPLIED): TransferStatus.COMPLETED,
    }
)


_TAKEN_FROM = {status: leg for leg, status in LEAVES.items()}


def leg_from(status: TransferStatus) -> Leg | None:
    """The leg that a transfer in this state needs next; None when it has ended."""
    return _TAKEN_FROM.get(status)


def decide(legs: Sequence[LegRequest], snapshot: Snapshot, now: datetime) -> Verdict:
    """Decide the legs one after the other, each seeing what those before it did.

    A leg whose key is journaled gets that answer again and writes nothing. A leg that the
    transfer's state does not allow is answered with ``IllegalMove`` and writes nothing; its
    neighbours are not concerned.
    """
    book = Book.of(snapshot, now)
    answers: list[StepAnswer | IllegalMove] = []
    for leg in legs:
        try:
            answers.append(book.take(leg))
        except IllegalMove as illegal:
            answers.append(illegal)
    return Verdict(answers, book.entries)


@dataclass(slots=True)
class Book:
    """A snapshot on which legs are decided one after the other; it writes nothing."""

    transfers: dict[str, Transfer]
    wallets: dict[str, Wallet]
    journal: dict[str, StepAnswer]
    now: datetime
    entries: list[JournalEntry] = field(default_factory=list)
    unreadable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, snapshot: Snapshot, now: datetime) -> "Book":
        """A copy of the snapshot to decide on."""
        return cls(
            dict(snapshot.transfers),
            dict(snapshot.wallets),
            dict(snapshot.journal),
            now,
            unreadable=snapshot.unreadable,
        )

    def take(self, leg: LegRequest) -> StepAnswer:
        """The leg's recorded answer, or the one it comes to now.

        Raises:
            IllegalMove: the transfer's state does not allow the leg; nothing has changed.
        """
        self.check_readable(leg, leg.key)
        return self.journal.get(leg.key) or _take(leg, self)

    def check_readable(self, leg: LegRequest, document_id: str) -> None:
        """Decide nothing without a document that is there.

        Raises:
            IllegalMove: it cannot be read.
        """
        if document_id in self.unreadable:
            raise IllegalMove(leg.transfer_id, leg.leg, f"{document_id} cannot be read")


def _take(leg: LegRequest, book: Book) -> StepAnswer:
    transfer = _transfer_in_the_right_state(leg, book)
    wallet = None if leg.outside else _wallet_touched(leg, transfer, book)
    answer = _answer(leg, transfer, wallet)
    postings: tuple[Posting, ...] = _to_the_world(transfer) if leg.outside else ()
    change = None
    if answer.applied and wallet is not None:
        wallet = wallet.moved(_signed_amount(leg.leg, transfer))
        postings = _postings(leg.leg, transfer, wallet)
        change = WalletChange(wallet.id, wallet.sequence, wallet.balance)
        book.wallets[wallet.id] = wallet
    moved = transfer.moved(REACHES[leg.leg, answer.outcome], book.now, answer.code)
    book.transfers[moved.id] = moved
    book.journal[leg.key] = answer
    book.entries.append(
        JournalEntry(
            leg.key,
            leg.leg,
            answer,
            postings,
            change,
            moved,
            leg.tombstone if answer.outcome is Outcome.VOIDED else None,
            leg.outside,
        )
    )
    return answer


def _transfer_in_the_right_state(leg: LegRequest, book: Book) -> Transfer:
    book.check_readable(leg, leg.transfer_id)
    transfer = book.transfers.get(leg.transfer_id)
    if transfer is None:
        raise UnknownTransfer(leg.transfer_id, leg.leg)
    if transfer.status is not LEAVES[leg.leg]:
        raise IllegalMove(leg.transfer_id, leg.leg, f"the transfer is {transfer.status}")
    alone = not leg.together and not leg.settles
    if alone and transfer.place is not None and transfer.place.is_bound_to_others:
        raise IllegalMove(leg.transfer_id, leg.leg, "it is bound to the rest of its atomic batch")
    return transfer


def _wallet_touched(leg: LegRequest, transfer: Transfer, book: Book) -> Wallet | None:
    if leg.leg is Leg.POST:
        return None
    wallet_id = touched_wallet_id(leg.leg, transfer)
    book.check_readable(leg, wallet_id)
    wallet = book.wallets.get(wallet_id)
    if wallet is None:
        raise IllegalMove(transfer.id, leg.leg, f"there is no wallet {wallet_id}")
    if wallet.currency != transfer.money.currency:
        raise IllegalMove(transfer.id, leg.leg, f"wallet {wallet_id} holds {wallet.currency}")
    return wallet


def touched_wallet_id(leg: Leg, transfer: Transfer) -> str:
    """The one wallet a leg of this transfer reads and writes (a post touches neither)."""
    return transfer.destination_wallet_id if leg is Leg.CREDIT else transfer.source_wallet_id


def _answer(leg: LegRequest, transfer: Transfer, wallet: Wallet | None) -> StepAnswer:
    if leg.tombstone is not None:
        return StepAnswer(leg.leg, Outcome.VOIDED, leg.tombstone.code)
    code = None
    if leg.leg is Leg.DEBIT and wallet is not None:
        code = _why_no_debit(leg, transfer, wallet)
    elif leg.leg is Leg.CREDIT and wallet is not None:
        code = _why_no_credit(leg, transfer, wallet)
    return StepAnswer(leg.leg, Outcome.REFUSED if code else Outcome.APPLIED, code)


def _why_no_debit(leg: LegRequest, transfer: Transfer, wallet: Wallet) -> FailureCode | None:
    if wallet.status is WalletStatus.FROZEN:
        return FailureCode.WALLET_FROZEN
    if wallet.status is WalletStatus.CLOSED:
        return FailureCode.WALLET_CLOSED
    if leg.rejected:
        return FailureCode.DEBIT_REJECTED
    if wallet.available < transfer.money.amount_minor:
        return FailureCode.INSUFFICIENT_FUNDS
    return None


def _why_no_credit(leg: LegRequest, transfer: Transfer, wallet: Wallet) -> FailureCode | None:
    if wallet.status is not WalletStatus.ACTIVE:
        return FailureCode.DESTINATION_UNAVAILABLE
    if leg.rejected:
        return FailureCode.CREDIT_REJECTED
    if wallet.balance + transfer.money.amount_minor > MAX_BALANCE_MINOR:
        return FailureCode.DESTINATION_UNAVAILABLE
    return None


def _signed_amount(leg: Leg, transfer: Transfer) -> int:
    amount = transfer.money.amount_minor
    return -amount if leg is Leg.DEBIT else amount


def _postings(leg: Leg, transfer: Transfer, wallet: Wallet) -> tuple[Posting, ...]:
    amount = _signed_amount(leg, transfer)
    return (Posting(wallet.id, amount), Posting(transit_account(transfer.id), -amount))


def _to_the_world(transfer: Transfer) -> tuple[Posting, ...]:
    amount = transfer.money.amount_minor
    world = world_account(transfer.money.currency)
    return (Posting(world, amount), Posting(transit_account(transfer.id), -amount))
