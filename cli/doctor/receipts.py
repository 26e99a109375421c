"""Receipts as the doctor sees them: whether the periods' roots are sealed when they are due."""

from collections.abc import Sequence
from datetime import datetime

from cli.doctor.rows import Row, green, lasting, red, yellow
from payflow.domain.ports import Clock
from payflow.domain.receipt_ports import SealedRoot
from payflow.domain.receipts import Period
from payflow.proof.receipts import next_period
from payflow.storage.receipts import MongoReceipts
from payflow.storage.transactions import Client

LATE_S = 120.0  # a sealer looks every 30 s, and one of a dead process is back within seconds
LOST_S = 3_600.0
_FIX = "docs/operations.md#receipts"


async def receipt_rows(client: Client, database: str, period_s: int, clock: Clock) -> Sequence[Row]:
    """Whether each period that is over has its root."""
    store = MongoReceipts(client, database)
    newest = await store.newest_root()
    due = await next_period(store, newest, period_s)
    return [receipt_row(newest, due, clock.now())]


def receipt_row(newest: SealedRoot | None, due: Period | None, now: datetime) -> Row:
    """How long the next root is overdue."""
    if due is None:
        return green("receipts", "no transfer has ended yet")
    sealed = f"sealed through {newest.statement['date']}" if newest else "none sealed yet"
    late_s = (now - due.due_at).total_seconds()
    if late_s <= LATE_S:
        return green("receipts", sealed)
    said = f"{sealed}; {due.name} is {lasting(late_s)} late"
    return (red if late_s > LOST_S else yellow)("receipts", said, _FIX)
