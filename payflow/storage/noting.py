"""Books that note who asked them in vain: a decorator around the real ones."""

import asyncio
from collections.abc import Sequence

from payflow.domain.attempts import (
    AttemptEnd,
    Lane,
    StepAttempt,
    failure_text,
    is_ordinary,
)
from payflow.domain.batch_ledger import ItemsOrder
from payflow.domain.ledger import LegRequest, StepAnswer
from payflow.domain.ports import Books, Clock, Origin
from payflow.domain.timeline_ports import AttemptNotes
from payflow.domain.transfers import TransferStatus


class NotingBooks:
    """``Books`` that note each attempt at a transfer's step but the ordinary one."""

    def __init__(self, books: Books, log: AttemptNotes, clock: Clock) -> None:
        self._books = books
        self._log = log
        self._clock = clock

    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        """Take the leg, and note the attempt when it failed or is not the first."""
        noted = _Attempt(self._log, self._clock, leg, origin)
        try:
            answer = await self._books.take(leg, origin)
        except asyncio.CancelledError:
            noted.ended(AttemptEnd.CANCELLED)
            raise
        except Exception as error:
            noted.ended(AttemptEnd.FAILED, failure_text(type(error).__name__, str(error)))
            raise
        noted.ended(answer.outcome)
        return answer

    async def take_all(
        self, legs: Sequence[LegRequest], origin: Origin, within_s: float
    ) -> list[StepAnswer | None]:
        """A batch's legs are tried by their batch."""
        return await self._books.take_all(legs, origin, within_s)

    async def take_items(self, order: ItemsOrder, origin: Origin) -> None:
        """A batch's legs are tried by their batch."""
        await self._books.take_items(order, origin)

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        """A mark is in the journal."""
        await self._books.park(transfer_id, while_in, origin)

    async def knows(self, transfer_id: str) -> bool:
        """Whether the transfer is there."""
        return await self._books.knows(transfer_id)


class _Attempt:
    """One attempt, from its start."""

    def __init__(self, log: AttemptNotes, clock: Clock, leg: LegRequest, origin: Origin) -> None:
        self._log = log
        self._clock = clock
        self._leg = leg
        self._origin = origin
        self._started_at = clock.now()

    def ended(self, outcome: str, failure: str | None = None) -> None:
        origin, leg = self._origin, self._leg
        if origin.run_id is None or origin.activity_id is None or origin.lane is None:
            return  # no workflow's attempt
        lane, number = Lane(origin.lane), origin.attempt or 1
        answered = outcome not in set(AttemptEnd)
        if is_ordinary(lane, number, answered):
            return
        attempt = StepAttempt(
            run_id=origin.run_id,
            activity_id=origin.activity_id,
            number=number,
            leg=leg.leg,
            lane=lane,
            started_at=self._started_at,
            ended_at=self._clock.now(),
            outcome=outcome,
            failure=failure,
            settles=leg.settles,
        )
        self._log.note(leg.transfer_id, attempt)
