"""A row of the examination: a name, a verdict, what was found, and what to do about it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from payflow.storage.uncancelled import Calls

LONGEST = 80  # characters of a driver's message
ANSWERS_IN_S = 10.0  # every read is small; the driver gives a server that is away up after 2 s


class Verdict(StrEnum):
    """``red`` needs somebody, ``yellow`` is worth knowing."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at; ``fix`` says what to do where it is not green."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at. ``unless_known`` is the fix when no answer comes.

    ``needs`` names the server's own check: where that has no answer either, this one's is due to
    it.
    """

    name: str
    look: Callable[[], Coroutine[Any, Any, Sequence[Row]]]
    unless_known: str
    within_s: float = ANSWERS_IN_S
    needs: str = ""

    async def rows(self) -> Sequence[Row]:
        """What was found, or one red row: whatever fails there, the others are looked at."""
        try:
            async with asyncio.timeout(self.within_s):
                return await Calls().run(self.look())
        except TimeoutError:
            found = f"no answer within {self.within_s:g} s"
        except Exception as error:  # any driver's: a finding here, never a traceback
            found = _said(error)
        return [Row(self.name, Verdict.RED, found, self.unless_known, silent=True)]


def green(name: str, found: str) -> Row:
    """Nothing to do."""
    return Row(name, Verdict.GREEN, found)


def yellow(name: str, found: str, fix: str) -> Row:
    """Worth knowing."""
    return Row(name, Verdict.YELLOW, found, fix)


def red(name: str, found: str, fix: str) -> Row:
    """Somebody is needed."""
    return Row(name, Verdict.RED, found, fix)


def worst(rows: Sequence[Row]) -> Verdict:
    """The verdict on all of them."""
    said = {row.verdict for row in rows}
    return next((one for one in (Verdict.RED, Verdict.YELLOW) if one in said), Verdict.GREEN)


def lasting(seconds: float) -> str:
    """A duration for people."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def not_looked_at(check: Check) -> Row:
    """The row of a check whose server does not answer."""
    found = f"not looked at: {check.needs} does not answer"
    return Row(check.name, Verdict.RED, found, check.unless_known, silent=True)


def _said(error: Exception) -> str:
    """The first of a driver's words; the rest are addresses, time-outs and topologies."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
