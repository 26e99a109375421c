"""Whether every stored document can be read, as the doctor sees it."""

from collections.abc import Iterable, Sequence

from cli.doctor.rows import Row, green, red
from payflow.proof.sums import Database
from payflow.storage.misfits import MOST, Misfit, misfits
from payflow.storage.transactions import translated

SHOWN = 20  # ids of a collection: an operator begins with these
_FIX = "docs/operations.md#documents-that-cannot-be-read"


async def document_rows(database: Database, *, live_only: bool) -> Sequence[Row]:
    """What is passed over wherever documents are read."""
    with translated():
        found = [one async for one in misfits(database, live_only=live_only)]
    return [document_row(found)]


def document_row(found: Iterable[Misfit]) -> Row:
    """Which documents they are, by collection."""
    by_collection: dict[str, list[str]] = {}
    for one in found:
        by_collection.setdefault(one.collection, []).append(str(one.document_id))
    if not by_collection:
        return green("documents", "all can be read")
    told = [f"{name} {_listed(ids)}" for name, ids in by_collection.items()]
    return red("documents", f"cannot be read, and are passed over: {'; '.join(told)}", _FIX)


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - SHOWN
    if more <= 0:
        return ", ".join(ids)
    return f"{', '.join(ids[:SHOWN])} and {more}{' or more' if len(ids) >= MOST else ''} others"
