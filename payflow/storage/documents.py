"""The collections as Beanie documents, with every index and the question it answers."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from payflow.domain.batches import BatchMode, BatchStatus
from payflow.domain.transfers import FailureCode, TransferStatus
from payflow.domain.users import Role
from payflow.domain.wallets import WalletStatus
from payflow.storage.access_documents import ApiKeyDocument, AuditLinkDocument, RefreshTokenDocument
from payflow.storage.endings import (
    HAS_ENDED,
    OPEN,
    OUTCOME,
    PARTY_OUTCOME,
    PARTY_UNFINISHED,
    UNFINISHED,
    WHY_NOT,
)
from payflow.storage.journal_fields import ClaimFields, EventFields, PostingFields
from payflow.storage.proof_documents import (
    FindingDocument,
    ProofDocument,
    ProofMemoryDocument,
    ProofStateDocument,
)
from payflow.storage.receipt_documents import ReceiptRootDocument
from payflow.storage.sign_ons import SignOnLinkDocument, SignOnVisitDocument
from payflow.storage.stored import StoredDocument
from payflow.storage.timeline_documents import TimelineDocument
from payflow.storage.user_keys import UserPair
from payflow.storage.webhook_documents import WebhookDeliveryDocument, WebhookEndpointDocument

IN_PROGRESS = "owner_in_progress"  # the index of batches


class UserDocument(StoredDocument):
    """A person, with the password's argon2 hash."""

    email: str
    name: str
    phone: str | None = None
    role: Role
    active: bool
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
    balance: int
    held: int
    status: WalletStatus
    sequence: int
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
    amount: int = Field(ge=1)
    currency: str
    source_wallet_id: str
    destination_wallet_id: str
    payer_id: str
    payee_id: str
    # payer and payee, source and destination once more: one index each serves both sides
    party_ids: list[str]
    wallet_ids: list[str]
    description: str | None = None
    metadata: list[UserPair]
    failure: FailureDocument | None
    refunded: bool
    needs_attention: bool
    workflow_id: str
    sequence: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    # which item of which batch it is; a transfer of its own has none of the three
    batch_id: str | None = None
    batch_index: int | None = None
    batch_mode: BatchMode | None = None

    class Settings:
        """Collection and indexes.

        Ids are ULIDs, so lists run backwards over ``_id``: kept ascending, new transfers are
        appended to an index and not inserted before all others. No index has the status in it,
        nor in its filter, so a transfer's moves touch none until it ends (``endings``).
        """

        name = "transfers"
        indexes: ClassVar = [
            IndexModel([("party_ids", ASCENDING), ("_id", ASCENDING)], name="party"),
            IndexModel([("wallet_ids", ASCENDING), ("_id", ASCENDING)], name="wallet"),
            IndexModel(
                [("party_ids", ASCENDING), (WHY_NOT, ASCENDING), ("_id", ASCENDING)],
                name=PARTY_OUTCOME,
                partialFilterExpression=HAS_ENDED,
            ),
            IndexModel(
                [(WHY_NOT, ASCENDING), ("_id", ASCENDING)],
                name=OUTCOME,
                partialFilterExpression=HAS_ENDED,
            ),
            # a person's list of one such state; Beanie takes two indexes of the same keys for
            # one, so the amount, which never changes, tells it from `party`
            IndexModel(
                [("party_ids", ASCENDING), ("_id", ASCENDING), ("amount", ASCENDING)],
                name=PARTY_UNFINISHED,
                partialFilterExpression=UNFINISHED,
            ),
            # the sweep, the door's count, an operator's list of one such state, and `close`
            # (whose money may still come back?); none names its first key, so all hint at it
            IndexModel(
                [("_id", ASCENDING), ("source_wallet_id", ASCENDING)],
                name=OPEN,
                partialFilterExpression=UNFINISHED,
            ),
            IndexModel(
                [("needs_attention", ASCENDING), ("_id", ASCENDING)],
                name="parked",
                partialFilterExpression={"needs_attention": True},
            ),
            # a batch's items in order; a transfer of its own is not in it
            IndexModel(
                [("batch_id", ASCENDING), ("batch_index", ASCENDING)],
                name="batch_item",
                unique=True,
                partialFilterExpression={"batch_id": {"$exists": True}},
            ),
        ]


class BatchDocument(StoredDocument):
    """A batch; its items are the transfers that carry its id. Counts are written at its end."""

    owner_id: str
    mode: BatchMode
    status: BatchStatus
    total: int
    completed: int
    failed: int
    cancelled: bool
    request_id: str | None = None
    created_at: datetime
    completed_at: datetime | None

    class Settings:
        """Collection and indexes."""

        name = "batches"
        indexes: ClassVar = [
            IndexModel([("owner_id", ASCENDING), ("_id", DESCENDING)], name="owner_newest"),
            # how many a user has in progress
            IndexModel(
                [("owner_id", ASCENDING), ("status", ASCENDING)],
                name=IN_PROGRESS,
                partialFilterExpression={"status": BatchStatus.PROCESSING.value},
            ),
        ]


class JournalDocument(StoredDocument):
    """One leg or mark, written once: step record, ledger entry and event in one."""

    leg: str
    outcome: str | None = None
    code: str | None = None
    currency: str | None = None  # a batch, or a mark that concerns no money, has none
    postings: list[PostingFields]
    transfer_id: str | None = None
    movement_id: str | None = None
    batch_id: str | None = None
    wallet_id: str | None = None
    wallet_sequence: int | None = None
    balance_after: int | None = None
    entry_id: str
    event: EventFields
    audience: list[str]  # users who may see the event
    endpoint_id: str | None = None  # the one webhook endpoint the event is for
    idempotency: ClaimFields | None = None
    order: dict[str, Any] | None = None  # of an init entry: its parties, its place in a batch
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
            # in order of age, for the relay when it has lost its place in the change stream
            IndexModel([("created_at", ASCENDING), ("_id", ASCENDING)], name="age"),
        ]


class FeedDocument(Document):
    """An event at its place; ``hash`` seals it and, through ``previous_hash``, all before it.

    It holds nothing that JSON cannot say, so that anybody can compute its hash.
    """

    id: int  # type: ignore[assignment]  # Beanie's default is an ObjectId; ours is the position
    event_id: str
    event: EventFields
    audience: list[str]
    transfer_id: str | None = None
    wallet_id: str | None = None
    endpoint_id: str | None = None
    traceparent: str | None = None
    previous_hash: str
    hash: str

    class Settings:
        """Collection and indexes. ``_id`` is the position, so it is every reader's order."""

        name = "feed"
        indexes: ClassVar = [
            IndexModel([("event_id", ASCENDING)], name="event", unique=True),
            IndexModel([("audience", ASCENDING), ("_id", ASCENDING)], name="audience_oldest"),
            IndexModel(
                [("audience", ASCENDING), ("event.type", ASCENDING), ("_id", ASCENDING)],
                name="audience_type_oldest",
            ),
            IndexModel([("event.type", ASCENDING), ("_id", ASCENDING)], name="type_oldest"),
            IndexModel(
                [("transfer_id", ASCENDING), ("_id", ASCENDING)],
                name="transfer_oldest",
                partialFilterExpression={"transfer_id": {"$exists": True}},
            ),
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


class OperatorActDocument(StoredDocument):
    """An operator's act on a transfer, for its timeline; the audit log has it under the same id.

    ``outcome`` is ``begun`` until what came of it is known. A ``resolve`` is first
    ``approval_pending``, then ``approved`` (``approved_by``) or ``lapsed``; the second operator's
    act names it in ``approval_of``. An act without the API's proof is ``temporal``'s; whom it
    named is ``claimed_operator``.
    """

    transfer_id: str
    verb: str
    operator: str
    claimed_operator: str | None = None
    reason: str
    at: datetime
    outcome: str
    leg: str | None = None
    resolution: str | None = None
    evidence: str | None = None
    approved_by: str | None = None
    approval_of: str | None = None
    proposed_by: str | None = None

    class Settings:
        """Collection and indexes."""

        name = "operator_acts"
        indexes: ClassVar = [
            # a transfer's acts in order of time
            IndexModel([("transfer_id", ASCENDING), ("at", ASCENDING)], name="transfer_oldest"),
        ]


DOCUMENTS: tuple[type[Document], ...] = (
    UserDocument,
    WalletDocument,
    TransferDocument,
    BatchDocument,
    JournalDocument,
    FeedDocument,
    RefreshTokenDocument,
    SimulationDocument,
    AuditDocument,
    OperatorActDocument,
    TimelineDocument,
    WebhookEndpointDocument,
    WebhookDeliveryDocument,
    ApiKeyDocument,
    AuditLinkDocument,
    FindingDocument,
    ProofDocument,
    ProofMemoryDocument,
    ProofStateDocument,
    ReceiptRootDocument,
    SignOnVisitDocument,
    SignOnLinkDocument,
)
