"""Books that fail on purpose: fault rehearsal around the real ones, in dev and test only."""

from collections.abc import Callable
from dataclasses import replace

from payflow.domain.errors import Trouble
from payflow.domain.ledger import LegRequest, StepAnswer
from payflow.domain.ports import Books, Origin, Rehearsal
from payflow.domain.simulation import FaultPhase, FaultType, Simulation
from payflow.domain.transfers import TransferStatus


class RehearsedError(Trouble):
    """A rule of the simulation struck this attempt."""

    code = "rehearsed_error"


class RehearsedTimeout(RehearsedError):
    """A rule of the simulation let this attempt run out of time."""

    code = "rehearsed_timeout"


class RehearsingBooks:
    """``Books`` whose every attempt first reads the rules, whatever process set them."""

    def __init__(self, books: Books, rehearsal: Rehearsal, draw: Callable[[], float]) -> None:
        self._books = books
        self._rehearsal = rehearsal
        self._draw = draw

    async def take(self, leg: LegRequest, origin: Origin) -> StepAnswer:
        """Take the leg, struck before or after the commit where a rule says so."""
        simulation = await self._rehearsal.get()
        if not simulation.enabled or leg.tombstone is not None:
            return await self._books.take(leg, origin)  # settling is no step: it is never struck
        self._strike(simulation, leg, FaultPhase.BEFORE)
        if leg.leg.can_be_refused and simulation.rejects(leg.transfer_id, leg.leg):
            leg = replace(leg, rejected=True)
        answer = await self._books.take(leg, origin)
        self._strike(simulation, leg, FaultPhase.AFTER)
        return answer

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        """Mark the transfer as needing an operator."""
        await self._books.park(transfer_id, while_in, origin)

    def _strike(self, simulation: Simulation, leg: LegRequest, phase: FaultPhase) -> None:
        fault = simulation.fault(leg.transfer_id, leg.leg, phase, self._draw())
        if fault is FaultType.ERROR:
            raise RehearsedError(f"rehearsed error {phase} the commit of the {leg.leg}")
        if fault is FaultType.TIMEOUT:
            raise RehearsedTimeout(f"rehearsed timeout {phase} the commit of the {leg.leg}")
