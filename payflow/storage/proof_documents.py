"""What the proof keeps: how far it has come, what it remembers, and the proofs it gave."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pymongo import ASCENDING, IndexModel

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
    statement: dict[str, Any]
    at: datetime

    class Settings:
        """Collection. ``_id`` is every reader's order."""

        name = "proofs"
