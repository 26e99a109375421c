"""A period's root as a Beanie document, written once."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, Field, JsonValue
from pymongo import ASCENDING, IndexModel

from payflow.storage.stored import StoredDocument


class TileFields(BaseModel):
    """The root of some leaves, and the position before the first of them."""

    after: int
    node: bytes


class ReceiptRootDocument(StoredDocument):
    """A signed root; ``_id`` is its period's name, so a period has one, whoever seals it.

    ``tiles`` are the roots of 256 leaves each, with the feed's position before the first of them.
    """

    statement: dict[str, JsonValue]
    ends_at: datetime
    through_position: int
    tiles: list[TileFields]
    left_out: list[int] = Field(default_factory=list)  # positions without a leaf

    class Settings:
        """Collection and indexes."""

        name = "receipt_roots"
        indexes: ClassVar = [
            # the root over a position in the feed: the first that goes so far
            IndexModel([("through_position", ASCENDING), ("_id", ASCENDING)], name="position"),
        ]
