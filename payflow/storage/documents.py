"""The collections as Beanie documents, with every index and the question it answers."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from payflow.domain.transfers import FailureCode, TransferStatus
from payflow.domain.users import Role
from payflow.domain.wallets import WalletStatus


class StoredDocument(Document):
    """A document whose ``_id`` is a business key, never an ObjectId."""

    id: str  # type: ignore[assignment]  # Beanie's default is an ObjectId; ours are given


class UserDocument(StoredDocument):
    """A person, with the password's argon2 hash."""

    email: str
    name: str
    phone: str | None = None
    role: Role = Role.USER
    active: bool = True
    password_hash: str
    created_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "users"
        indexes: ClassVar = [IndexModel([("email", ASCENDING)], name="email", unique=True)]


class WalletDocument(StoredDocument):
    """A wallet; ``sequence`` is the version its posting updates are guarded by."""

    owner_id: str
    currency: str
    name: str | None = None
    balance: int = 0
    held: int = 0
    status: WalletStatus = WalletStatus.ACTIVE
    sequence: int = 0
    contended: int = 0  # how often legs of this wallet met another worker's
    created_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "wallets"
        indexes: ClassVar = [
            # the owner's list, newest first; and the wallet an email address is paid into
            IndexModel([("owner_id", ASCENDING), ("_id", DESCENDING)], name="owner_newest"),
        ]


class FailureDocument(BaseModel):
    """Why a transfer failed, as the contract words it."""

    code: FailureCode
    message: str


class TransferDocument(StoredDocument):
    """A transfer's present state; its history is the journal."""

    status: TransferStatus
    amount: int
    currency: str
    source_wallet_id: str
    destination_wallet_id: str
    payer_id: str
    payee_id: str
    # payer and payee, source and destination once more: one index each serves both sides
    party_ids: list[str]
    wallet_ids: list[str]
    description: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    failure: FailureDocument | None = None
    refunded: bool = False
    needs_attention: bool = False
    workflow_id: str
    sequence: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None

    class Settings:
        """Collection and indexes. Ids are ULIDs, so ``_id`` descending is newest first."""

        name = "transfers"
        indexes: ClassVar = [
            IndexModel([("party_ids", ASCENDING), ("_id", DESCENDING)], name="party_newest"),
            IndexModel(
                [("party_ids", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)],
                name="party_status_newest",
            ),
            IndexModel([("wallet_ids", ASCENDING), ("_id", DESCENDING)], name="wallet_newest"),
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status_newest"),
            # the sweep reads what is not terminal; the index holds nothing else
            IndexModel(
                [("status", ASCENDING), ("sequence", ASCENDING)],
                name="unfinished",
                partialFilterExpression={
                    "status": {"$in": [s.value for s in TransferStatus if not s.is_terminal]}
                },
            ),
            # transfers from a wallet whose money may still come back: asked by `close`
            IndexModel(
                [("source_wallet_id", ASCENDING)],
                name="source_in_transit",
                partialFilterExpression={
                    "status": {"$in": [s.value for s in TransferStatus if s.has_money_in_transit]}
                },
            ),
            IndexModel(
                [("needs_attention", ASCENDING), ("_id", DESCENDING)],
                name="parked_newest",
                partialFilterExpression={"needs_attention": True},
            ),
        ]


class JournalDocument(StoredDocument):
    """One leg or mark, written once: step record, ledger entry and event in one."""

    leg: str
    outcome: str | None = None
    code: str | None = None
    currency: str
    postings: list[dict[str, Any]] = Field(default_factory=list)
    transfer_id: str | None = None
    movement_id: str | None = None
    wallet_id: str | None = None
    wallet_sequence: int | None = None
    balance_after: int | None = None
    entry_id: str
    event: dict[str, Any]
    idempotency: dict[str, str] | None = None
    origin: dict[str, Any] | None = None
    note: dict[str, str] | None = None
    reference: str | None = None
    request_id: str | None = None
    # where the request stood in its trace, so that what follows from it can join it
    traceparent: str | None = None
    created_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "journal"
        indexes: ClassVar = [
            # a wallet's statement, its fold, and the proof that its sequence has no gap
            IndexModel(
                [("wallet_id", ASCENDING), ("wallet_sequence", DESCENDING)],
                name="wallet_sequence",
                unique=True,
                partialFilterExpression={"wallet_sequence": {"$exists": True}},
            ),
            # one key of one user is one request, for as long as the thing lives
            IndexModel(
                [("idempotency.user_id", ASCENDING), ("idempotency.key", ASCENDING)],
                name="idempotency",
                unique=True,
                partialFilterExpression={"idempotency.key": {"$exists": True}},
            ),
            IndexModel([("transfer_id", ASCENDING)], name="transfer", sparse=True),
        ]


class RefreshTokenDocument(StoredDocument):
    """A refresh token under its SHA-256; the token itself is never stored."""

    family_id: str
    user_id: str
    spent: bool = False
    revoked: bool = False
    created_at: datetime
    expires_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "refresh_tokens"
        indexes: ClassVar = [
            IndexModel([("family_id", ASCENDING)], name="family"),
            IndexModel([("user_id", ASCENDING)], name="user"),
            IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
        ]


class SimulationDocument(StoredDocument):
    """The fault rules in force: one document, or none."""

    enabled: bool
    rules: list[dict[str, Any]]

    class Settings:
        """Collection."""

        name = "simulation"


class AuditDocument(StoredDocument):
    """What an operator did, to what, why, and what came of it."""

    at: datetime
    actor_id: str
    verb: str
    subject_id: str
    reason: str
    outcome: str
    request_id: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict)

    class Settings:
        """Collection and indexes."""

        name = "audit"
        indexes: ClassVar = [
            IndexModel([("subject_id", ASCENDING), ("_id", ASCENDING)], name="subject"),
        ]


DOCUMENTS: tuple[type[StoredDocument], ...] = (
    UserDocument,
    WalletDocument,
    TransferDocument,
    JournalDocument,
    RefreshTokenDocument,
    SimulationDocument,
    AuditDocument,
)
