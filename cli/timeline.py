"""``payflow transfers timeline``: what was done to a transfer, on the screen or as a picture.

It reads the books and Temporal of the stack of this data folder itself, as an operator sees them:
it works while no API answers.
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from pymongo.errors import PyMongoError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.configuration import settings_of_running_stack
from cli.errors import UNREACHABLE, CliError
from payflow.domain.errors import NotFound, Trouble
from payflow.domain.identifiers import Prefix, is_id
from payflow.domain.representation import rfc3339
from payflow.domain.timeline import Timeline
from payflow.domain.timeline_picture import picture
from payflow.domain.timeline_rows import Row
from payflow.domain.timeline_scale import spoken
from payflow.domain.users import Principal, Role
from payflow.settings import Settings
from payflow.storage.factory import open_storage
from payflow.storage.uncancelled import Calls
from temporal.client import connect
from temporal.histories import TemporalHistories
from temporal.sagas import TemporalSagas
from temporal.timelines import Timelines

REACH_WITHIN_S = 15.0
WHOEVER_RUNS_THIS = Principal("", Role.OPERATOR)
BAD = frozenset({"failed", "timed_out", "needs_attention"})


def timeline(transfer_id: str, svg: Path | None) -> str:
    """The timeline on the screen, or with ``svg`` as a picture there; what is left to be said.

    Raises:
        CliError: the id is none, there is no such transfer, the stack does not answer, or the
            picture cannot be written there.
    """
    found = asyncio.run(read(transfer_id))
    if svg is not None:
        return write_picture(found, svg) + "\n"
    show(found, Console())
    return ""


async def read(transfer_id: str) -> Timeline:
    """The timeline as an operator sees it, from the running stack.

    Raises:
        CliError: the id is none, there is no such transfer, or the stack does not answer.
    """
    if not is_id(transfer_id, Prefix.TRANSFER):
        raise CliError(f"{transfer_id!r} is no transfer's id: those are trf_ and 26 characters.")
    settings = settings_of_running_stack()
    try:
        async with asyncio.timeout(REACH_WITHIN_S):
            return await Calls().run(_read(settings, transfer_id))
    except NotFound:
        raise CliError(f"There is no transfer {transfer_id}.") from None
    except (Trouble, PyMongoError, OSError, TimeoutError):
        raise CliError(
            "The stack does not answer: is it running? `make up` starts it.", UNREACHABLE
        ) from None


async def _read(settings: Settings, transfer_id: str) -> Timeline:
    client = await connect(settings, lazy=True)
    sagas = TemporalSagas(client, park_after_s=settings.park_after_s)
    async with open_storage(settings) as storage:
        timelines = Timelines(storage.timelines, TemporalHistories(sagas), storage.clock)
        transfer = await storage.transfers.get(transfer_id, WHOEVER_RUNS_THIS)
        return await timelines.of(transfer, WHOEVER_RUNS_THIS)


def write_picture(found: Timeline, path: Path) -> str:
    """Write the picture; what to tell the person who asked.

    Raises:
        CliError: it cannot be written there.
    """
    try:
        path.write_text(picture(found), encoding="utf-8")
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}.") from None
    return f"{path} shows {found.transfer.id}."


def show(found: Timeline, console: Console) -> None:
    """Put the timeline on the screen."""
    table = Table(box=None, pad_edge=False)
    for name in ("after", "kind", "step", "outcome", "took"):
        table.add_column(name, no_wrap=True)
    table.add_column("detail", overflow="fold")
    begun = found.transfer.created_at
    for row in found.rows:
        table.add_row(*_cells(row, begun))
    console.print(f"{found.transfer.id} from {rfc3339(begun)}", highlight=False)
    console.print(table)
    end = "sealed" if found.sealed else "not sealed yet"
    console.print(f"{found.transfer.id} is {found.transfer.status}; {end}.", highlight=False)
    if found.next is not None:
        console.print(f"Next: {found.next.what}.", highlight=False, markup=False)


def _cells(row: Row, begun: datetime) -> list[Text]:
    """A row's cells; nothing in them is taken for markup."""
    took = "" if row.duration_ms is None else spoken(timedelta(milliseconds=row.duration_ms))
    step = f"{row.leg or ''} {row.attempt or ''}".strip()
    who = f"{row.actor}: " if row.actor else ""
    style = "red" if row.outcome in BAD else ""
    return [
        Text(spoken(row.at - begun), justify="right"),
        Text(row.kind.value),
        Text(step),
        Text(row.outcome or "", style=style),
        Text(took, justify="right"),
        Text(who + (row.detail or "")),
    ]
