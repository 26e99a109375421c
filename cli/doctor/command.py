"""``payflow doctor``: the table for people, JSON for programs, and the exit code for both."""

import asyncio
import json
from collections.abc import Mapping, Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.configuration import metrics_urls_of, settings_of_running_stack
from cli.doctor.examination import examine, is_unreachable
from cli.doctor.rows import Row, Verdict, worst
from cli.errors import UNREACHABLE
from payflow.domain.representation import rfc3339
from payflow.storage.identity import SystemClock
from temporal.queries import SAVED, by_wallet

_SIGN = {Verdict.GREEN: "✓", Verdict.YELLOW: "!", Verdict.RED: "✗"}


def doctor(*, as_json: bool, books: bool) -> int:
    """Examine the running stack and say what was found.

    Returns:
        0: no row is red. 1: one is. 2: nothing answers at all.

    Raises:
        CliError: no stack says that it runs on this data folder.
    """
    settings = settings_of_running_stack()
    rows = asyncio.run(examine(settings, books=books, pages=metrics_urls_of(settings)))
    if as_json:
        typer.echo(json.dumps(as_document(rows), ensure_ascii=False, indent=2))
    else:
        show(rows, Console())
    return exit_code(rows)


def exit_code(rows: Sequence[Row]) -> int:
    """What the shell is told."""
    if is_unreachable(rows):
        return UNREACHABLE
    return 1 if worst(rows) is Verdict.RED else 0


def as_document(rows: Sequence[Row]) -> Mapping[str, object]:
    """The examination for programs; ``status`` is the worst verdict."""
    return {
        "object": "examination",
        "status": worst(rows).value,
        "checked_at": rfc3339(SystemClock().now()),
        "data": [
            {"name": row.name, "verdict": row.verdict.value, "found": row.found, "fix": row.fix}
            for row in rows
        ],
        "queries": [{"name": one.name, "query": one.query} for one in SAVED],
    }


def show(rows: Sequence[Row], console: Console) -> None:
    """The examination for people."""
    table = Table("", "checked", "found", "what to do", box=None, pad_edge=False)
    for row in rows:
        sign = Text(_SIGN[row.verdict], style=row.verdict.value)
        # as text: what was found may look like markup
        table.add_row(sign, Text(row.name), Text(row.found), Text(row.fix))
    console.print(table)
    counts = {one: sum(row.verdict is one for row in rows) for one in Verdict}
    console.print(", ".join(f"{count} {one.value}" for one, count in counts.items()))
    console.print("\nQueries for the Temporal UI:")
    for saved in (*SAVED, by_wallet("wal_…")):
        # one line each, to be copied
        console.print(Text(f"  {saved.name}: {saved.query}"), soft_wrap=True)
