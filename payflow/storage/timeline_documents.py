"""A disturbed transfer's attempts as a Beanie document; an undisturbed one has none."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field
from pymongo import ASCENDING, IndexModel

from payflow.storage.stored import StoredDocument


class TimelineDocument(StoredDocument):
    """Attempts by ``{run}:{activity}:{attempt}``; ``_id`` is the transfer's.

    Once ``sealed`` nothing is added.
    """

    attempts: dict[str, dict[str, Any]] = Field(default_factory=dict)
    noted: int = 0
    sealed: bool = False
    sealed_at: datetime | None = None

    class Settings:
        """Collection and indexes."""

        name = "timelines"
        indexes: ClassVar = [
            # what the sealer looks at; it holds nothing that is sealed
            IndexModel(
                [("sealed", ASCENDING), ("_id", ASCENDING)],
                name="unsealed",
                partialFilterExpression={"sealed": False},
            ),
        ]
