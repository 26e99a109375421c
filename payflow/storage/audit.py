"""Operators' acts in ``audit``: each is on record before it is done."""

from ulid import ULID

from payflow.domain.ports import Clock
from payflow.domain.repair_ports import OperatorAct
from payflow.storage.documents import AuditDocument
from payflow.storage.transactions import translated

BEGUN = "begun"  # the act may have been done; a line that stays so tells of a crash


class MongoAuditLog:
    """The ``AuditLog`` port over the Beanie documents."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def begin(self, act: OperatorAct) -> str:
        """Write the act down, with the time."""
        now = self._clock.now()
        act_id = f"act_{ULID.from_datetime(now)}"
        document = AuditDocument(
            id=act_id,
            at=now,
            actor_id=act.actor_id,
            verb=act.verb,
            subject_id=act.subject_id,
            reason=act.reason,
            outcome=BEGUN,
            request_id=act.request_id,
        )
        with translated():
            await document.insert()
        return act_id

    async def finish(self, act_id: str, outcome: str) -> None:
        """Add what came of it, unless that is written already."""
        with translated():
            await AuditDocument.get_pymongo_collection().update_one(
                {"_id": act_id, "outcome": BEGUN}, {"$set": {"outcome": outcome}}
            )
