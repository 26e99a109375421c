"""What a section hands over: rows, charts, CPU lines and the raw numbers behind them."""

from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.figures import Row


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot, ready to be written."""

    name: str
    title: str
    svg: str


@dataclass(frozen=True, slots=True)
class CpuLine:
    """CPU milliseconds one operation of a contender cost each process."""

    contender: str
    ms: dict[str, float]


@dataclass(slots=True)
class Outcome:
    """All that is known of one section, or of several."""

    rows: list[Row] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    cpu: list[CpuLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def add(self, other: Self) -> None:
        """Take in what another section found."""
        self.rows += other.rows
        self.charts += other.charts
        self.cpu += other.cpu
        self.notes += other.notes
        self.raw |= other.raw
