"""A disturbed transfer's attempts as a Beanie document; an undisturbed one has none."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel
from pymongo import ASCENDING, IndexModel

from payflow.domain.attempts import Lane
from payflow.storage.stored import StoredDocument


class StepAttemptFields(BaseModel):
    """One attempt at a step."""

    run_id: str
    activity_id: str
    number: int
    leg: str
    lane: Lane
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    failure: str | None
    settles: bool
    reckoned: bool


class TimelineDocument(StoredDocument):
    """Attempts by ``{run}:{activity}:{attempt}``; ``_id`` is the transfer's.

    Once ``sealed`` nothing is added.
    """

    attempts: dict[str, StepAttemptFields]
    noted: int
    sealed: bool
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
