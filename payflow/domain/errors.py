"""The one error tree. A code is stable; HTTP status and retryability are tables at the edges.

PayflowError
├── AuthenticationFailed        nobody knows who asks
│   ├── AuthenticationRequired, TokenInvalid, TokenExpired, TokenRevoked, TokenWrongType
│   ├── InvalidCredentials, AccountDeactivated
│   └── RefreshTokenInvalid, RefreshTokenExpired, RefreshTokenReused, RefreshTokenRevoked
├── OperatorRequired            the caller is known, and only an operator may do this
├── NotFound                    wallet_not_found, transfer_not_found, batch_not_found, …
│   ├── DestinationNotFound     destination_not_found
│   └── RecipientNotFound       recipient_not_found
├── Refused                     the request can be read, and is not allowed
│   ├── SameWallet, CurrencyMismatch, BalanceLimitExceeded
│   └── IdempotencyKeyReused
├── ItemsRefused                some items of a batch, for reasons of those kinds
├── Conflict                    the thing is in another state than the request needs
│   ├── WalletFrozen, WalletClosed, WalletInUse, WalletLimitReached, InsufficientFunds
│   ├── EmailTaken, TransferTerminal, NothingToRetry, WorkflowCannotRun
├── DocumentUnreadable          what is stored of the thing cannot be read; an operator is needed
└── Trouble                     nobody knows yet, or nobody can tell now
    ├── BooksUnavailable, OutcomeUnknown
    │   └── TooManyUnfinished   back-pressure at the door
    └── IllegalMove             a leg that the transfer's state does not allow: a bug, parks
        └── UnknownTransfer     the ledger does not have the transfer, so far as was read
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class PayflowError(Exception):
    """Something a caller can be told: ``code`` for programs, ``str()`` for people."""

    code: str = "payflow_error"


class AuthenticationFailed(PayflowError):
    """Nobody knows who asks."""


class AuthenticationRequired(AuthenticationFailed):
    """The request carries no access token."""

    code = "authentication_required"

    def __init__(self) -> None:
        super().__init__("Send an access token: Authorization: Bearer <token>.")


class TokenInvalid(AuthenticationFailed):
    """The access token is not one of ours, or was tampered with."""

    code = "token_invalid"

    def __init__(self) -> None:
        super().__init__("The access token is not valid; sign in again.")


class TokenExpired(AuthenticationFailed):
    """The access token was good, and is no longer."""

    code = "token_expired"

    def __init__(self) -> None:
        super().__init__("The access token has expired; get a new one with the refresh token.")


class TokenRevoked(AuthenticationFailed):
    """The session the access token belongs to has ended."""

    code = "token_revoked"

    def __init__(self) -> None:
        super().__init__("The session of this access token has ended; sign in again.")


class TokenWrongType(AuthenticationFailed):
    """A refresh token was sent where an access token belongs."""

    code = "token_wrong_type"

    def __init__(self) -> None:
        super().__init__("This is a refresh token; send the access token.")


class InvalidCredentials(AuthenticationFailed):
    """Address or password is wrong; which of them is not said."""

    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("The email address or the password is wrong.")


class AccountDeactivated(AuthenticationFailed):
    """An operator has deactivated the account."""

    code = "account_deactivated"

    def __init__(self) -> None:
        super().__init__("This account is deactivated.")


class RefreshTokenInvalid(AuthenticationFailed):
    """No such refresh token was given out."""

    code = "refresh_token_invalid"

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid; sign in again.")


class RefreshTokenExpired(AuthenticationFailed):
    """The refresh token's time is over."""

    code = "refresh_token_expired"

    def __init__(self) -> None:
        super().__init__("The refresh token has expired; sign in again.")


class RefreshTokenReused(AuthenticationFailed):
    """A spent refresh token came again: its whole family is revoked (RFC 9700 §4.14.2)."""

    code = "refresh_token_reused"

    def __init__(self) -> None:
        super().__init__(
            "This refresh token was used before, so its session has been ended; sign in again."
        )


class RefreshTokenRevoked(AuthenticationFailed):
    """The session the refresh token belongs to has ended."""

    code = "refresh_token_revoked"

    def __init__(self) -> None:
        super().__init__("The session of this refresh token has ended; sign in again.")


class OperatorRequired(PayflowError):
    """The caller is known, and only an operator may do this."""

    code = "operator_required"

    def __init__(self) -> None:
        super().__init__("Only an operator may do this.")


class NotFound(PayflowError):
    """There is no such thing, or not for this caller."""

    def __init__(self, kind: str, subject_id: str) -> None:
        super().__init__(f"There is no {kind} {subject_id}.")
        self.code = f"{kind}_not_found"
        self.kind = kind
        self.subject_id = subject_id


class DestinationNotFound(PayflowError):
    """The wallet to be paid does not exist."""

    code = "destination_not_found"

    def __init__(self, wallet_id: str) -> None:
        super().__init__(f"There is no destination wallet {wallet_id}.")


class RecipientNotFound(PayflowError):
    """Nobody with that address can be paid in that currency."""

    code = "recipient_not_found"

    def __init__(self, currency: str) -> None:
        super().__init__(f"Nobody with this email address has a {currency} wallet.")


class Refused(PayflowError):
    """The request can be read, and what it asks is not allowed."""

    field: ClassVar[str | None] = None


class SameWallet(Refused):
    """Source and destination are one wallet."""

    code = "same_wallet"
    field = "destination_wallet_id"

    def __init__(self) -> None:
        super().__init__("Source and destination are the same wallet; name two wallets.")


class CurrencyMismatch(Refused):
    """The wallet holds another currency than the request names."""

    code = "currency_mismatch"
    field = "currency"

    def __init__(self, wallet_id: str, holds: str, asked: str) -> None:
        super().__init__(f"Wallet {wallet_id} holds {holds}, not {asked}.")


class BalanceLimitExceeded(Refused):
    """The deposit would lift the balance over 9 × 10^15 minor units."""

    code = "balance_limit_exceeded"
    field = "amount"

    def __init__(self, wallet_id: str) -> None:
        super().__init__(f"Wallet {wallet_id} cannot hold more than 9000000000000000 minor units.")


class IdempotencyKeyReused(Refused):
    """The key was used for another request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used with another request; use a new key for a new request."
        )


@dataclass(frozen=True, slots=True)
class ItemProblem:
    """What is wrong with one item of a batch: where, and why."""

    index: int
    field: str
    reason: PayflowError


class ItemsRefused(PayflowError):
    """Items of a batch that may not be accepted, so the whole is not; ``code`` is the first's."""

    def __init__(self, problems: Sequence[ItemProblem]) -> None:
        super().__init__("The batch was not accepted, nothing was written: see errors.")
        self.code = problems[0].reason.code
        self.problems = tuple(problems)


class Conflict(PayflowError):
    """The thing is in another state than the request needs."""


class WalletFrozen(Conflict):
    """The wallet is frozen."""

    code = "wallet_frozen"

    def __init__(self, wallet_id: str) -> None:
        super().__init__(f"Wallet {wallet_id} is frozen.")


class WalletClosed(Conflict):
    """The wallet is closed, for good."""

    code = "wallet_closed"

    def __init__(self, wallet_id: str) -> None:
        super().__init__(f"Wallet {wallet_id} is closed.")


class WalletInUse(Conflict):
    """The wallet holds money, or money of it is on its way."""

    code = "wallet_in_use"

    def __init__(self, wallet_id: str) -> None:
        super().__init__(
            f"Wallet {wallet_id} holds money or has transfers under way; empty it first."
        )


class WalletLimitReached(Conflict):
    """The user has as many open wallets as one may have."""

    code = "wallet_limit_reached"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A user has at most {limit} open wallets; have one closed first.")


class InsufficientFunds(Conflict):
    """A withdrawal asks for more than is available."""

    code = "insufficient_funds"

    def __init__(self, wallet_id: str) -> None:
        super().__init__(f"Wallet {wallet_id} does not have that much available.")


class EmailTaken(Conflict):
    """Somebody has registered with this address."""

    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("This email address is registered already.")


class TransferTerminal(Conflict):
    """The transfer has ended; no verb opens it again."""

    code = "transfer_terminal"

    def __init__(self, transfer_id: str, status: str) -> None:
        super().__init__(f"Transfer {transfer_id} has ended ({status}).")


class NothingToRetry(Conflict):
    """No step of the transfer is waiting."""

    code = "nothing_to_retry"

    def __init__(self, transfer_id: str) -> None:
        super().__init__(f"Transfer {transfer_id} has no step that waits to be tried again.")


class WorkflowCannotRun(Conflict):
    """The transfer's workflow does not answer: its code fails, or no worker runs."""

    code = "workflow_cannot_run"

    def __init__(self, transfer_id: str) -> None:
        super().__init__(
            f"The workflow of transfer {transfer_id} does not answer; "
            "see its last workflow task in the Temporal UI, deploy the fix or reset it."
        )


class DocumentUnreadable(PayflowError):
    """What is stored of this thing cannot be read, however often it is tried."""

    code = "document_unreadable"

    def __init__(self, collection: str, document_id: str) -> None:
        super().__init__(
            "What is stored of this cannot be read; nothing was changed. Tell an operator."
        )
        self.collection = collection
        self.document_id = document_id


class Trouble(PayflowError):
    """Nobody knows yet, or nobody can tell now: try again."""


class BooksUnavailable(Trouble):
    """The books cannot be reached; nothing was written."""

    code = "temporarily_unavailable"

    def __init__(self) -> None:
        super().__init__("The service cannot answer for the moment; try again.")


class TooManyUnfinished(BooksUnavailable):
    """Too many accepted transfers are unfinished; a new one would only wait behind them.

    With ``of_payer`` they are the payer's own, beyond their share.
    """

    def __init__(self, *, of_payer: bool = False) -> None:
        super().__init__()
        if of_payer:
            self.args = ("Too many of your transfers are unfinished; try again.",)


class OutcomeUnknown(Trouble):
    """A commit is in doubt: it may or may not have landed."""

    code = "outcome_unknown"

    def __init__(self) -> None:
        super().__init__(
            "It is not known yet whether this was written. Repeat with the same Idempotency-Key."
        )


class IllegalMove(Trouble):
    """A leg that the transfer's state does not allow. Never recorded; it parks the transfer."""

    code = "illegal_move"

    def __init__(self, subject_id: str, leg: str, why: str) -> None:
        super().__init__(f"{leg} of {subject_id}: {why}")
        self.subject_id = subject_id
        self.leg = leg


class UnknownTransfer(IllegalMove):
    """A leg of a transfer that was not found, which proves nothing for the first seconds."""

    def __init__(self, transfer_id: str, leg: str) -> None:
        super().__init__(transfer_id, leg, "there is no such transfer")
