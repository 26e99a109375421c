"""What the proof keeps: how far it has come, what it remembers, and the proofs it gave."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import JsonValue
from pymongo import ASCENDING, DESCENDING, IndexModel

from payflow.domain.invariants import Invariant
from payflow.domain.proof_ports import FindingStatus
from payflow.storage.stored import StoredDocument


class ProofStateDocument(StoredDocument):
    """The one checkpoint: all that the change stream said up to ``token`` is in the memory."""

    number: int
    generation: str
    token: dict[str, Any] | None = None
    mark: str | None = None

    class Settings:
        """Collection."""

        name = "proof_state"


class ProofMemoryDocument(StoredDocument):
    """A wallet's sum, an open transfer, or an event without a place, as the proof remembers it.

    ``_id`` is the generation and the key: a full pass builds a new generation beside the old one.
    """

    generation: str
    due: bool | None = None
    since: datetime | None = None

    class Settings:
        """Collection and indexes."""

        name = "proof_memory"
        indexes: ClassVar = [
            # what was folded and is yet to be held against the books
            IndexModel(
                [("due", ASCENDING), ("_id", ASCENDING)],
                name="due",
                partialFilterExpression={"due": True},
            ),
            # whose money has been in transit for the longest time
            IndexModel(
                [("generation", ASCENDING), ("since", ASCENDING)],
                name="in_transit",
                partialFilterExpression={"since": {"$exists": True}},
            ),
        ]


class ProofDocument(Document):
    """A signed proof under its number; the statement is what was signed, and is never changed."""

    id: int  # type: ignore[assignment]  # Beanie's default is an ObjectId; ours is the number
    statement: dict[str, JsonValue]
    at: datetime

    class Settings:
        """Collection. ``_id`` is every reader's order."""

        name = "proofs"


class FindingDocument(StoredDocument):
    """Something the proof has found wrong; open until an operator closes it, and then kept."""

    invariant: Invariant
    subject_id: str
    detail: str
    status: FindingStatus
    first_proof: int
    last_proof: int
    wallet_ids: list[str]
    found_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None
    reason: str | None = None

    class Settings:
        """Collection and indexes."""

        name = "proof_findings"
        indexes: ClassVar = [
            # a rule and a subject are one finding while it is open; and all that are open
            IndexModel(
                [("invariant", ASCENDING), ("subject_id", ASCENDING)],
                name="open",
                unique=True,
                partialFilterExpression={"status": "open"},
            ),
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status_newest"),
            # what was closed since the last full pass
            IndexModel([("closed_at", ASCENDING)], name="closed", sparse=True),
        ]
