"""A run's raw numbers as a file, and back: a page can be made of several runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchFailed
from benchmarks.figures import Mark, Row
from benchmarks.options import Options
from benchmarks.outcome import Chart, CpuLine, Outcome


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When, how and on what a run was made."""

    at: str
    took_s: float
    options: Options
    machine: dict[str, str]
    sections: tuple[str, ...] = ()  # those that were asked for; none when it was a whole run


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run found, and how it was made."""

    outcome: Outcome
    circumstances: Circumstances


def write_numbers(measured: Measured, folder: Path) -> Path:
    """Keep every sample in the data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    outcome, it = measured.outcome, measured.circumstances
    path = folder / f"{it.at.replace(':', '')}-{it.options.kind}.json"
    numbers = {
        "circumstances": asdict(it),
        "rows": [row.facts() for row in outcome.rows],
        "charts": [asdict(chart) for chart in outcome.charts],
        "cpu_ms_per_operation": {line.contender: line.ms for line in outcome.cpu},
        "notes": outcome.notes,
        "raw": outcome.raw,
    }
    path.write_text(json.dumps(numbers, indent=1))
    return path


def read_numbers(path: Path) -> Measured:
    """A run as it was kept.

    Raises:
        BenchFailed: the file is not that.
    """
    try:
        numbers = json.loads(path.read_text())
        told = numbers["circumstances"]
        outcome = Outcome(
            _rows(numbers["rows"]),
            [Chart(**chart) for chart in numbers["charts"]],
            [CpuLine(name, ms) for name, ms in numbers["cpu_ms_per_operation"].items()],
            numbers["notes"],
        )
        return Measured(outcome, Circumstances(**{**told, "options": Options(**told["options"])}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchFailed(f"{path} does not hold the numbers of a run: {error!r}") from error


def joined(runs: Sequence[Measured]) -> Outcome:
    """What all of them found; of rows and charts with the same name the last run's."""
    rows = {row.key: row for run in runs for row in run.outcome.rows}
    charts = {chart.name: chart for run in runs for chart in run.outcome.charts}
    cpu = {line.contender: line for run in runs for line in run.outcome.cpu}
    notes = [note for run in runs for note in run.outcome.notes]
    return Outcome([*rows.values()], [*charts.values()], [*cpu.values()], notes)


def _rows(facts: Sequence[Mapping[str, Any]]) -> list[Row]:
    rows = {one["key"]: _row(one) for one in facts}
    return [
        replace(rows[one["key"]], instead=rows[one["instead"]])
        if one["instead"] is not None
        else rows[one["key"]]
        for one in facts
    ]


def _row(facts: Mapping[str, Any]) -> Row:
    return Row(
        facts["key"],
        facts["figure"],
        tuple(facts["samples"]),
        Mark(facts["must"], facts["aim"], facts["more_is_better"]),
        facts["against"],
        facts["unit"],
        facts["short"],
    )
