"""What operators' verbs ask of the world: a line in the audit log, and a look at the books."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from payflow.domain.errors import Conflict, IllegalMove, NotFound
from payflow.domain.repair_ports import ActionProofs, Repairs
from payflow.domain.repairs import Act, Begun, PlannedEntry, Resolve, Verb

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """Which verb on which transfer to foresee."""

    verb: Verb
    transfer_id: str
    resolve: Resolve | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of which act."""

    act_id: str
    outcome: str


class RepairActivities:
    """Acts on record; each may run any number of times."""

    def __init__(self, repairs: Repairs, proofs: ActionProofs) -> None:
        self._repairs = repairs
        self._proofs = proofs

    @activity.defn
    async def begin_act(self, act: Act) -> Begun:
        """Write the act down before it is done, or refuse it.

        The proof is checked here and not in the workflow, so that no key is ever there.
        """
        return await _or_refused(self._repairs.begin(act, proven=self._proofs.holds(act)))

    @activity.defn
    async def finish_act(self, finished: Finished) -> None:
        """Write down what came of it."""
        await self._repairs.finish(finished.act_id, finished.outcome)

    @activity.defn
    async def preview(self, look: Look) -> Sequence[PlannedEntry]:
        """What the verb would post."""
        return await _or_refused(self._repairs.preview(look.verb, look.transfer_id, look.resolve))

    def all(self) -> list[Callable[..., Any]]:
        """Every step, for a worker's list."""
        return [self.begin_act, self.finish_act, self.preview]


async def _or_refused(work: Awaitable[T]) -> T:
    """The result; a refusal ends the verb, with its code and in its words."""
    try:
        return await work
    except (Conflict, IllegalMove, NotFound) as refusal:
        raise ApplicationError(str(refusal), type=refusal.code, non_retryable=True) from refusal
