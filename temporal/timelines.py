"""A transfer's timeline, live from the books and Temporal, and sealed in the books at its end."""

from dataclasses import dataclass, replace
from datetime import datetime

from payflow.domain.attempts import AttemptEnd, put_together, runs_of
from payflow.domain.errors import DocumentUnreadable
from payflow.domain.ports import Clock
from payflow.domain.timeline import Timeline, is_sealed, tell
from payflow.domain.timeline_ports import (
    Histories,
    Noted,
    TimelineRecord,
    TimelineStore,
    Told,
)
from payflow.domain.timeline_rows import closed_at
from payflow.domain.transfers import Transfer
from payflow.domain.users import Principal
from temporal.names import transfer_workflow_id

SEALED_AT_ONCE = 50  # a look; a history is read in 5-20 ms


@dataclass(frozen=True, slots=True)
class Timelines:
    """Tells of transfers, and seals what is told."""

    store: TimelineStore
    histories: Histories
    clock: Clock

    async def of(self, transfer: Transfer, viewer: Principal) -> Timeline:
        """The transfer's timeline as the viewer may see it.

        Temporal is asked only while the transfer runs, or was disturbed and is not sealed yet.

        Raises:
            BooksUnavailable.
        """
        record = await self.store.record(transfer)
        now = self.clock.now()
        if is_sealed(record, now) or _ended_undisturbed(record):
            return tell(record, viewer, now, None)
        completed, told = await self._completed(record)
        return tell(completed, viewer, now, told)

    async def seal_due(self) -> int:
        """Seal what has ended long enough ago; what Temporal does not tell of waits for it.

        Returns:
            How many were sealed.
        """
        sealed, after = 0, ""
        while True:
            found = await self.store.unsealed(SEALED_AT_ONCE, after)
            passed_over = found.last_id is not None and len(found.transfers) < SEALED_AT_ONCE
            for transfer in found.transfers:
                closed = closed_at(transfer)
                if closed is None or self.clock.now() < closed:
                    continue
                try:
                    if not await self._seal(transfer, closed):
                        return sealed
                except DocumentUnreadable:  # it was counted and logged where it was read
                    passed_over = True
                else:
                    sealed += 1
            if found.last_id is None or not passed_over:
                return sealed
            after = found.last_id  # those that cannot be sealed do not hide those behind them

    async def _seal(self, transfer: Transfer, closed: datetime) -> bool:
        """Keep the transfer's attempts; False while Temporal does not answer."""
        completed, told = await self._completed(await self.store.record(transfer))
        if told is None:
            return False
        attempts = [
            one
            for one in completed.noted.attempts
            if one.outcome != AttemptEnd.RUNNING and one.started_at <= closed
        ]
        await self.store.seal(transfer.id, attempts)
        return True

    async def _completed(self, record: TimelineRecord) -> tuple[TimelineRecord, Told | None]:
        """The record with what only the histories know, of every run anybody knows of."""
        noted = record.noted.attempts
        runs = runs_of(noted) | {one.origin.run_id or "" for one in record.journal}
        told = await self.histories.told(transfer_workflow_id(record.transfer.id), runs)
        if told is None:
            return record, None
        attempts = put_together(noted, told.counted)
        return replace(record, noted=Noted(attempts, record.noted.sealed)), told


def _ended_undisturbed(record: TimelineRecord) -> bool:
    return record.transfer.status.is_terminal and not record.noted.attempts
