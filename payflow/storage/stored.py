"""What every document of ours has in common."""

from beanie import Document


class StoredDocument(Document):
    """A document whose ``_id`` is a business key, never an ObjectId."""

    id: str  # type: ignore[assignment]  # Beanie's default is an ObjectId; ours are given
