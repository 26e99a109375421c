"""What the business needs from the world, as Protocols owned by those who use them.

``payflow.storage`` implements them over MongoDB and Redis, ``tests.fakes`` in memory; both are
held by the same contract tests.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from payflow.domain.batch_ledger import ItemsOrder
from payflow.domain.ledger import LegRequest, StepAnswer
from payflow.domain.money import Money
from payflow.domain.movements import Movement, MovementKind
from payflow.domain.repair_ports import OperatorAct
from payflow.domain.repairs import RepairAnswer, RepairOrder
from payflow.domain.simulation import Simulation
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.domain.users import Principal, RefreshToken, Role, User
from payflow.domain.wallets import Wallet, WalletStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first; ``next_key`` is where the next one starts, or None."""

    items: Sequence[T]
    next_key: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Which execution wrote a journal document: facts for auditors, never keys."""

    workflow_id: str | None = None
    run_id: str | None = None
    activity_id: str | None = None
    attempt: int | None = None
    lane: str | None = None  # fast, durable or parked: attempts are noted with it


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """A client's promise that requests with this key are one request (per user)."""

    user_id: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """What a payer asks for, checked in form; the store resolves and checks the wallets."""

    payer_id: str
    source_wallet_id: str
    money: Money
    destination_wallet_id: str | None = None
    destination_email: str | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class MovementOrder:
    """A deposit or withdrawal, checked in form."""

    kind: MovementKind
    wallet_id: str
    money: Money
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """What stands written for an idempotency key, and whether it stood there before."""

    thing: T
    replayed: bool


@dataclass(frozen=True, slots=True)
class TransferFilter:
    """Which transfers a list wants; None is any. Times: after < t < before."""

    status: TransferStatus | None = None
    wallet_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    needs_attention: bool | None = None


@dataclass(frozen=True, slots=True)
class WalletEntry:
    """One line of a wallet's statement: ``amount`` is signed, minor units."""

    id: str
    wallet_id: str
    wallet_sequence: int
    kind: str
    amount: int
    currency: str
    balance_after: int
    transfer_id: str | None
    movement_id: str | None
    created_at: datetime


class Clock(Protocol):
    """The time, as one may be told it."""

    def now(self) -> datetime:
        """The present moment, UTC, to the millisecond."""
        ...


class Books(Protocol):
    """Where legs are taken: the one door through which a transfer's money moves."""

    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        """Take the leg, or find the answer it had; all of it in one transaction.

        Raises:
            IllegalMove: the transfer's state does not allow the leg; nothing was written.
            Trouble: it is not known whether it happened; ask again under the same key.
        """
        ...

    async def take_all(
        self, legs: Sequence[LegRequest], origin: Origin, within_s: float
    ) -> list[StepAnswer | None]:
        """Take many legs at once, each for itself; never raises.

        Returns:
            An answer for each, in order; None where none is known (it may still come): ask again
            under the same key.
        """
        ...

    async def take_items(self, order: ItemsOrder, origin: Origin) -> None:
        """Bring items of a batch to their end, all of them in one transaction.

        Of independent items some may be left as they were: each is then asked for alone.

        Raises:
            IllegalMove: an item's state does not allow it; nothing was written.
            Trouble: it is not known whether it happened; ask again.
        """
        ...

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        """Mark the transfer as needing an operator, with its event, unless it went on."""
        ...

    async def knows(self, transfer_id: str) -> bool:
        """Whether the transfer is there, as the majority has it."""
        ...


class Transfers(Protocol):
    """Transfers, before and after the saga: accepted, read, listed, waited for."""

    async def accept(self, order: TransferOrder, claim: IdempotencyClaim) -> Written[Transfer]:
        """Write the transfer and its ``:init`` document; from the commit on it is accepted.

        Raises:
            NotFound, DestinationNotFound, RecipientNotFound, SameWallet, CurrencyMismatch,
            IdempotencyKeyReused: nothing was written and the key is free.
            BooksUnavailable: nothing was written. OutcomeUnknown: repeat with the same key.
        """
        ...

    async def get(self, transfer_id: str, viewer: Principal) -> Transfer:
        """Read one, if the viewer is a party or an operator; else ``NotFound``."""
        ...

    async def list(
        self, viewer: Principal, wanted: TransferFilter, *, limit: int, after: str | None
    ) -> Page[Transfer]:
        """The viewer's transfers (an operator's: all), newest first."""
        ...

    async def wait_terminal(
        self,
        transfer_id: str,
        timeout_s: float,
        *,
        once: Awaitable[None] | None = None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> Transfer:
        """The transfer as soon as it is terminal, or as it stands after ``timeout_s``.

        ``once`` sets it off; it is awaited by one who waits already, so its end is not missed.
        The wait ends within a second after ``given_up`` is true.
        """
        ...

    async def unfinished(self) -> dict[str, Transfer]:
        """Every transfer that is not terminal, by id."""
        ...


class Wallets(Protocol):
    """Wallets, their statements, and money in from and out to the world."""

    async def open(self, owner_id: str, currency: str, name: str | None) -> Wallet:
        """Open an empty, active wallet, or ``WalletLimitReached``."""
        ...

    async def get(self, wallet_id: str, viewer: Principal) -> Wallet:
        """Read one, if the viewer owns it or is an operator; else ``NotFound``."""
        ...

    async def list(self, viewer: Principal, *, limit: int, after: str | None) -> Page[Wallet]:
        """The viewer's own wallets, newest first."""
        ...

    async def entries(
        self, wallet_id: str, viewer: Principal, *, limit: int, after: str | None
    ) -> Page[WalletEntry]:
        """The wallet's ledger entries, newest first (by ``wallet_sequence``)."""
        ...

    async def set_status(self, wallet_id: str, status: WalletStatus) -> Wallet:
        """Freeze, unfreeze or close; setting a state it has already changes nothing.

        Raises:
            NotFound, WalletClosed, WalletInUse.
        """
        ...

    async def move(
        self,
        order: MovementOrder,
        claim: IdempotencyClaim,
        viewer: Principal,
        act: OperatorAct | None = None,
    ) -> Written[Movement]:
        """Deposit or withdraw, at once: one leg, one transaction.

        Raises:
            NotFound, WalletFrozen, WalletClosed, CurrencyMismatch, BalanceLimitExceeded,
            InsufficientFunds, IdempotencyKeyReused: nothing was written, the key is free.
            BooksUnavailable, OutcomeUnknown.
        """
        ...


@dataclass(frozen=True, slots=True)
class NewUser:
    """A registration, checked in form; ``email`` is lower case."""

    email: str
    password_hash: str
    name: str
    phone: str | None = None


class Accounts(Protocol):
    """People and their password hashes."""

    async def register(self, new: NewUser, currency: str) -> tuple[User, Wallet]:
        """The user and a first wallet, in one transaction, or ``EmailTaken`` and nothing."""
        ...

    async def create_operator(
        self, *, email: str, password_hash: str, name: str, act: OperatorAct
    ) -> User:
        """An operator (no wallet), or ``EmailTaken``; the act's subject becomes their id."""
        ...

    async def set_role(self, user_id: str, role: Role, act: OperatorAct) -> User:
        """Make the user an operator, or no longer one, or ``NotFound``; the same role is no act."""
        ...

    async def get(self, user_id: str) -> User:
        """The user, or ``NotFound``."""
        ...

    async def find_by_email(self, email: str) -> User | None:
        """The user with that (lower-case) address."""
        ...

    async def password_hash(self, user_id: str) -> str:
        """The stored hash, or ``NotFound``."""
        ...

    async def set_password_hash(self, user_id: str, password_hash: str) -> None:
        """Replace the stored hash."""
        ...

    async def update_profile(self, user_id: str, changes: dict[str, str | None]) -> User:
        """Set ``name`` and/or ``phone``."""
        ...

    async def set_active(self, user_id: str, active: bool) -> User:
        """Deactivate or reactivate; a deactivated user cannot sign in or use a token."""
        ...


class RefreshTokens(Protocol):
    """Refresh tokens by their hash; rotation and revocation are atomic in the store."""

    async def add(self, token: RefreshToken, *, keep: int) -> None:
        """Store a new, unspent token; of its user's families only the latest ``keep`` stay."""
        ...

    async def spend(self, token_hash: str, successor: RefreshToken) -> RefreshToken | None:
        """Spend an unspent, unrevoked, unexpired token and add its successor, in one transaction.

        The successor's family and user are taken from the spent token. None: it could not be
        spent; ``find`` tells why.
        """
        ...

    async def find(self, token_hash: str) -> tuple[RefreshToken, bool, bool] | None:
        """The token, whether it is spent, whether its family is revoked."""
        ...

    async def revoke_family(self, family_id: str) -> None:
        """No token of the family is good any more."""
        ...

    async def revoke_user(self, user_id: str, *, keep_family: str | None = None) -> None:
        """Revoke all families of a user, but one."""
        ...


class Rehearsal(Protocol):
    """The fault rules in force, shared by all processes."""

    async def get(self) -> Simulation:
        """The rules; none is ``Simulation()``."""
        ...

    async def put(self, simulation: Simulation, act: OperatorAct | None = None) -> None:
        """Replace them."""
        ...

    async def clear(self, act: OperatorAct | None = None) -> None:
        """Remove them."""
        ...


class Sagas(Protocol):
    """What the API asks of a transfer's workflow."""

    async def start(self, transfer: Transfer, request_id: str | None) -> None:
        """Start the saga (an item's: its batch's) or find it running. Never raises."""
        ...

    async def start_batch(self, batch_id: str, request_id: str | None) -> None:
        """The same for the saga of a batch."""
        ...

    async def start_alone(self, transfer: Transfer) -> None:
        """The same for a saga of the transfer's own, though it is an item of a batch."""
        ...

    async def repair(self, transfer: Transfer, order: RepairOrder) -> RepairAnswer:
        """Ask the saga for an operator's verb; where it runs, it is recorded and then done.

        Raises:
            TransferTerminal, NothingToRetry, WorkflowCannotRun, VerbRefused: nothing was done.
        """
        ...


class DependencyBlocked(Exception):
    """It answers others, and not this process, which is going to end."""


class Probe(Protocol):
    """A dependency that can be asked whether it answers."""

    @property
    def name(self) -> str:
        """``mongo``, ``redis`` or ``temporal``."""
        ...

    async def check(self) -> None:
        """Return when it answered; raise when it did not.

        Raises:
            DependencyBlocked: it answers every process but this one.
        """
        ...
