"""Time on paper: milliseconds and days side by side, each still to be seen.

A pause is drawn by the logarithm of its length, so that five quick attempts, a minute of waiting
and an operator's act a day later fit one picture; the labels say what the width does not.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import log1p

AS_WIDE_AS_ONE = 20.0  # ms; shorter pauses are drawn nearly to scale
AT_LEAST = 0.2  # of a moment that differs at all


@dataclass(frozen=True, slots=True)
class Scale:
    """Where moments are drawn between ``left`` and ``right``."""

    moments: tuple[datetime, ...]
    places: tuple[float, ...]

    @classmethod
    def of(cls, moments: Iterable[datetime], left: float, right: float) -> "Scale":
        """A scale on which all these moments have their place; there must be one."""
        ordered = sorted(set(moments))
        reached = [0.0]
        for before, after in pairwise(ordered):
            pause_ms = (after - before) / timedelta(milliseconds=1)
            reached.append(reached[-1] + AT_LEAST + log1p(pause_ms / AS_WIDE_AS_ONE))
        whole = reached[-1] or 1.0
        places = tuple(left + (right - left) * one / whole for one in reached)
        return cls(tuple(ordered), places)

    def x(self, moment: datetime) -> float:
        """The place of one of its moments, or of the last one before it."""
        return self.places[max(0, bisect_right(self.moments, moment) - 1)]


def spoken(length: timedelta) -> str:
    """A length of time, short: ``12 ms``, ``1.5 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 3 h``."""
    whole_ms = round(length / timedelta(milliseconds=1))
    if whole_ms < 1_000:
        return f"{whole_ms} ms"
    if whole_ms < 60_000:
        return f"{whole_ms / 1_000:.1f} s"
    seconds = whole_ms // 1_000
    for unit, size, part, part_size in (
        ("d", 86_400, "h", 3_600),
        ("h", 3_600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if seconds >= size:
            rest = seconds % size // part_size
            return f"{seconds // size} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{seconds} s"
