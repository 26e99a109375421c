"""Books that fail on purpose: fault rehearsal around the real ones, in dev and test only."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from payflow.domain.batch_ledger import ItemsOrder
from payflow.domain.batches import BatchMode
from payflow.domain.errors import Trouble
from payflow.domain.ledger import Leg, LegRequest, StepAnswer
from payflow.domain.ports import Books, Origin, Rehearsal
from payflow.domain.simulation import FaultPhase, FaultType, Simulation
from payflow.domain.transfers import TransferStatus

ANY_ITEM = ""  # rules that name transfers do not strike a batch's one transaction


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
        if not simulation.enabled or leg.settles:
            return await self._books.take(leg, origin)  # settling is no step: it is never struck
        self._strike(simulation, leg, FaultPhase.BEFORE)
        answer = await self._books.take(_as_rejected(leg, simulation), origin)
        self._strike(simulation, leg, FaultPhase.AFTER)
        return answer

    async def take_all(
        self, legs: Sequence[LegRequest], origin: Origin, within_s: float
    ) -> list[StepAnswer | None]:
        """Take the legs that no rule strikes; who is struck after the commit has no answer."""
        simulation = await self._rehearsal.get()
        if not simulation.enabled:
            return await self._books.take_all(legs, origin, within_s)
        spared = {
            leg.key: _as_rejected(leg, simulation)
            for leg in legs
            if not self._is_struck(simulation, leg, FaultPhase.BEFORE)
        }
        taken = await self._books.take_all(list(spared.values()), origin, within_s)
        answers = dict(zip(spared, taken, strict=True))
        for leg in spared.values():
            if self._is_struck(simulation, leg, FaultPhase.AFTER):
                answers[leg.key] = None
        return [answers.get(leg.key) for leg in legs]

    async def take_items(self, order: ItemsOrder, origin: Origin) -> None:
        """Take the items; one attempt is struck as a whole, and each may be rejected.

        Independent items are sent to be taken one by one, where each meets its own rules.
        """
        simulation = await self._rehearsal.get()
        if not simulation.enabled:
            await self._books.take_items(order, origin)
            return
        if order.mode is BatchMode.INDEPENDENT:
            raise RehearsedError("while faults are rehearsed each item is taken for itself")
        for leg in (Leg.DEBIT, Leg.CREDIT, Leg.POST):
            self._strike(simulation, LegRequest(ANY_ITEM, leg), FaultPhase.BEFORE)
        await self._books.take_items(replace(order, rejects=simulation.rejects), origin)
        for leg in (Leg.DEBIT, Leg.CREDIT, Leg.POST):
            self._strike(simulation, LegRequest(ANY_ITEM, leg), FaultPhase.AFTER)

    async def park(self, transfer_id: str, while_in: TransferStatus, origin: Origin) -> None:
        """Mark the transfer as needing an operator."""
        await self._books.park(transfer_id, while_in, origin)

    async def knows(self, transfer_id: str) -> bool:
        """Whether the transfer is there."""
        return await self._books.knows(transfer_id)

    def _is_struck(self, simulation: Simulation, leg: LegRequest, phase: FaultPhase) -> bool:
        if leg.settles:
            return False
        return simulation.fault(leg.transfer_id, leg.leg, phase, self._draw()) is not None

    def _strike(self, simulation: Simulation, leg: LegRequest, phase: FaultPhase) -> None:
        fault = simulation.fault(leg.transfer_id, leg.leg, phase, self._draw())
        if fault is FaultType.ERROR:
            raise RehearsedError(f"rehearsed error {phase} the commit of the {leg.leg}")
        if fault is FaultType.TIMEOUT:
            raise RehearsedTimeout(f"rehearsed timeout {phase} the commit of the {leg.leg}")


def _as_rejected(leg: LegRequest, simulation: Simulation) -> LegRequest:
    """The leg, refused where a rule says so."""
    if leg.settles or not leg.leg.can_be_refused:
        return leg
    return replace(leg, rejected=simulation.rejects(leg.transfer_id, leg.leg))
