"""What the runs came to, as JSON and as docs/proof.md."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from payflow.storage.identity import SystemClock
from tests.chaos.matrix.judging import Cell
from tests.chaos.matrix.plan import Fault, Point, Run, Shape, impossible

ROOT = Path(__file__).parents[3]
PAGE, FIGURES = ROOT / "docs" / "proof.md", ROOT / "build" / "proof.json"

WRONGS = ("lost", "doubled", "stuck")
TESTED = ("payflow", "temporal", "activities", "workflows", "api", "workers", "cli", "tests")


@dataclass
class Record:
    """The cells of all runs so far, and the runs that could not be judged."""

    seed: int
    cells: list[Cell] = field(default_factory=list)
    broken: dict[Run, str] = field(default_factory=dict)
    played: list[Run] = field(default_factory=list)
    void: int = 0
    begun: datetime = field(default_factory=lambda: SystemClock().now())

    def add(self, run: Run, cells: Sequence[Cell], void: int) -> None:
        """The run was judged, after so many attempts that were void."""
        self.played.append(run)
        self.void += void
        self.cells += cells

    def broke(self, run: Run, why: str) -> None:
        """The run could not be judged."""
        self.played.append(run)
        self.broken[run] = why

    def is_whole(self, every: Iterable[Run]) -> bool:
        """Whether all of them were played."""
        return set(self.played) >= set(every)


def write_page(record: Record) -> None:
    """Write the page, and the figures it is made of."""
    ended = SystemClock().now()
    minutes = (ended - record.begun).total_seconds() / 60
    figures = {
        "seed": record.seed,
        "commit": _commit(),
        "ended": ended.isoformat(),
        "minutes": round(minutes, 1),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "cells": [
            {
                "point": cell.run.point,
                "fault": cell.run.fault,
                "shape": cell.shape,
                "sagas": cell.sagas,
                "seconds": None if cell.seconds is None else round(cell.seconds, 2),
                **{what: getattr(cell, what) for what in WRONGS},
            }
            for cell in record.cells
        ],
        "void": record.void,
        "broken": {str(run): why for run, why in record.broken.items()},
    }
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    PAGE.write_text("\n".join(page(figures)) + "\n")


def page(figures: dict[str, Any]) -> list[str]:
    """The page's lines: totals, every cell, and those that cannot exist."""
    return [*_head(figures), "", *_table(figures), "", *_wrong(figures), *_impossible()]


def _head(figures: dict[str, Any]) -> Iterator[str]:
    cells, broken = figures["cells"], figures["broken"]
    judged = {(cell["point"], cell["fault"]) for cell in cells}
    counts = {what: sum(bool(cell[what]) for cell in cells) for what in WRONGS}
    seconds = sorted(cell["seconds"] for cell in cells if cell["seconds"] is not None)
    yield "# Proof: the crash matrix"
    yield ""
    yield "Written by `make chaos`. Every shape of a saga stands at a crash point, named in the"
    yield "code, when the fault strikes exactly there; then everything must end, once. A cell is"
    yield "one shape in one run; a run is one fault at one point with all shapes in flight."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| cells | {len(cells)} |"
    yield f"| runs | {len(judged) + len(broken)} |"
    for what in WRONGS:
        yield f"| {what} | {counts[what]} |"
    yield f"| runs that could not be judged | {len(broken)} |"
    yield f"| attempts void, as somebody did not stand at the point | {figures['void']} |"
    yield f"| sagas | {sum(cell['sagas'] for cell in cells)} |"
    if seconds:
        middle, last = seconds[len(seconds) // 2], seconds[-1]
        recovery = f"median {middle:.1f} s, longest {last:.1f} s"
        yield f"| recovery, from the fault to a shape's last end | {recovery} |"
    yield f"| seed | {figures['seed']} |"
    yield f"| commit | {figures['commit']} |"
    yield f"| ended | {figures['ended']}, after {figures['minutes']} minutes |"
    yield f"| machine | {figures['machine']} |"
    yield ""
    yield "*Lost*: less than its one effect, in the journal, the feed or a wallet. *Doubled*: more"
    yield "than one. *Stuck*: not ended 60 s after the fault. After each run every invariant of the"
    yield "books is asked as well. One run again, as it was:"
    yield ""
    yield "```"
    yield f"PAYFLOW_STORM=long PAYFLOW_STORM_SEED={figures['seed']} \\"
    yield "  .venv/bin/pytest tests/chaos/test_matrix.py -k 'kill_worker-inside_transaction'"
    yield "```"


def _table(figures: dict[str, Any]) -> Iterator[str]:
    yield "## Cells"
    yield ""
    yield "Seconds from the fault until the shape's last saga had ended; – is a cell that cannot"
    yield "exist; **red** is wrong."
    by_key = {(cell["point"], cell["fault"], cell["shape"]): cell for cell in figures["cells"]}
    for point in Point:
        yield ""
        yield f"### {point}"
        yield ""
        yield "| fault | " + " | ".join(Shape) + " |"
        yield "|---" * (len(Shape) + 1) + "|"
        for fault in Fault:
            marks = [_mark(by_key.get((point, fault, shape))) for shape in Shape]
            if str(Run(point, fault)) in figures["broken"]:
                marks = ["**red**"] * len(Shape)
            yield f"| {fault} | " + " | ".join(marks) + " |"


def _mark(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "–"
    if any(cell[what] for what in WRONGS):
        return "**red**"
    return f"{cell['seconds']:.1f}"


def _wrong(figures: dict[str, Any]) -> Iterator[str]:
    red = [
        f"- {cell['fault']}-{cell['point']}, {cell['shape']}: {what}: {complaint}"
        for cell in figures["cells"]
        for what in WRONGS
        for complaint in cell[what]
    ]
    red += [f"- {run}: {why}" for run, why in figures["broken"].items()]
    if red:
        yield from ("## Red", "", *red, "")


def _impossible() -> Iterator[str]:
    yield "## Cells that cannot exist"
    yield ""
    yield "| point | fault | shape | why |"
    yield "|---|---|---|---|"
    for one in impossible():
        yield f"| {one.point} | {one.fault or 'any'} | {one.shape or 'any'} | {one.reason} |"


def _commit() -> str:
    """What was tested; changes that are not committed are said."""
    try:
        head, changed = _git("rev-parse", "--short=12", "HEAD"), _git("status", "--short", *TESTED)
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
    return f"{head} with changes" if changed else head


def _git(*words: str) -> str:
    command = ("git", "-C", str(ROOT), *words)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
