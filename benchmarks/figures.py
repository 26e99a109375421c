"""A figure, the mark it must reach, and whether it did: no measuring here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.errors import BenchFailed


@dataclass(frozen=True, slots=True)
class Mark:
    """What a figure must reach and what we aim at; ``more_is_better`` or the other way round."""

    must: float
    aim: float
    more_is_better: bool = True

    def is_met(self, value: float, wanted: float) -> bool:
        """Whether the value, as it is and not as it is printed, is as good as ``wanted``."""
        return value >= wanted if self.more_is_better else value <= wanted

    def verdict(self, value: float) -> str:
        """``aim reached``, ``reached`` or ``missed``."""
        if not self.is_met(value, self.must):
            return "**missed**"
        return "aim reached" if self.is_met(value, self.aim) else "reached"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the table: a sample for each round, and what stood against what.

    ``short`` says how much less than the mark asks for was measured: reaching it then is no proof.
    ``instead`` is another row that suffices where this one's mark is missed.
    """

    key: str
    figure: str
    samples: tuple[float, ...]
    mark: Mark
    against: str
    unit: str = "×"
    short: str = ""
    instead: "Row | None" = None

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.samples)

    @property
    def is_reached(self) -> bool:
        """Whether this row's own mark is."""
        return self.mark.is_met(self.value, self.mark.must)

    @property
    def verdict(self) -> str:
        """How the median stands to the mark."""
        verdict = self.mark.verdict(self.value)
        if not self.is_reached and self.instead is not None and self.instead.is_reached:
            verdict = "missed, its alternative is reached: one of the two suffices"
        return f"{verdict}, but only {self.short}" if self.short else verdict

    def facts(self) -> dict[str, Any]:
        """The row as raw numbers."""
        return {
            "key": self.key,
            "figure": self.figure,
            "unit": self.unit,
            "samples": list(self.samples),
            "median": self.value,
            "must": self.mark.must,
            "aim": self.mark.aim,
            "more_is_better": self.mark.more_is_better,
            "verdict": self.verdict.replace("*", ""),
            "against": self.against,
            "short": self.short,
            "instead": self.instead.key if self.instead else None,
        }


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Round by round: neighbours in time share the machine's mood.

    Raises:
        BenchFailed: the rival did nothing in a round.
    """
    if not all(theirs):
        raise BenchFailed("a rival did nothing in a turn: turns are too short for this machine")
    return tuple(own / other for own, other in zip(ours, theirs, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of all values do not exceed.

    Raises:
        BenchFailed: there are none.
    """
    if not values:
        raise BenchFailed("no answer in a turn: turns are too short for this machine")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def each(samples: Sequence[Any], of: Callable[[Any], float]) -> list[float]:
    """One number of every sample."""
    return [of(sample) for sample in samples]
