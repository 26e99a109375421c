"""Where a process may die in the middle of something: the points by name, and who listens there.

Nobody listens but in tests: then a point is one comparison with ``None``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

ITEMS = "items"  # the step that takes a batch's items together; a transfer's steps are its legs
INIT = "init"  # the acceptance of a transfer or a batch, which the client's key stands for
ANY = "*"  # any subject, in an order to hold still


class CrashPoint(StrEnum):
    """A place in the code at which nothing may be lost, whatever happens there."""

    BEFORE_STEP = "before_step"  # asked for, nothing done
    INSIDE_TRANSACTION = "inside_transaction"  # written, not committed
    BEFORE_ACKNOWLEDGEMENT = "before_acknowledgement"  # committed, and who asked does not know
    BETWEEN_STEPS = "between_steps"  # a step's answer has come, the next is not asked for yet


@dataclass(frozen=True, slots=True)
class At:
    """What stands at a point: a step (a leg, ``items``, ``init``), and whose it is."""

    step: str
    subject: str


class CrashPoints(Protocol):
    """Who is told that a point is reached, and may hold still there."""

    async def reached(self, point: CrashPoint, standing: Collection[At]) -> None:
        """Return when the process may go on.

        Raises:
            Trouble: a test makes this attempt fail, or loses its answer.
        """
        ...

    def hold(self, point: CrashPoint, at: At) -> None:
        """The same for a workflow, which cannot wait: the thread sleeps, for less than 2 s."""
        ...
