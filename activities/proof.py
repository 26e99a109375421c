"""The step of the proof: one pass over what was committed."""

from collections.abc import Callable
from typing import Any

from temporalio import activity

from activities.alive import alive
from payflow.domain.proof_ports import Prover, Verdict
from temporal.schedules import ProofOrder


class ProofActivities:
    """Proves the books."""

    def __init__(self, prover: Prover) -> None:
        self._prover = prover

    @activity.defn
    async def prove(self, order: ProofOrder) -> Verdict:
        """Run a pass; one that was overtaken by another is tried again."""
        async with alive():
            return await self._prover.prove(full=order.full)

    def all(self) -> list[Callable[..., Any]]:
        """Every step, for a worker's list."""
        return [self.prove]
