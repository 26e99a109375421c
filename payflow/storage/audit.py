"""Operators' acts, append-only, in ``audit``."""

from ulid import ULID

from payflow.domain.ports import Clock, OperatorAct
from payflow.storage.documents import AuditDocument
from payflow.storage.transactions import translated


class MongoAuditLog:
    """The ``AuditLog`` port over the Beanie documents."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def record(self, act: OperatorAct) -> None:
        """Write the act down, with the time."""
        now = self._clock.now()
        document = AuditDocument(
            id=f"act_{ULID.from_datetime(now)}",
            at=now,
            actor_id=act.actor_id,
            verb=act.verb,
            subject_id=act.subject_id,
            reason=act.reason,
            outcome=act.outcome,
            request_id=act.request_id,
            facts=act.facts,
        )
        with translated():
            await document.insert()
