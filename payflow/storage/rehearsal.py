"""The fault rules in force, in ``simulation``: one document, or none."""

from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.ledger import Leg
from payflow.domain.repair_ports import OperatorAct
from payflow.domain.simulation import FaultPhase, FaultRule, FaultType, Simulation
from payflow.storage.audit import MongoAuditLog
from payflow.storage.documents import SimulationDocument
from payflow.storage.reading import Fields, read_from, readable
from payflow.storage.transactions import translated

_ID = "current"


class MongoRehearsal:
    """The ``Rehearsal`` port over the Beanie documents."""

    def __init__(self, audit: MongoAuditLog) -> None:
        self._audit = audit

    async def get(self) -> Simulation:
        """The rules; none is ``Simulation()``."""
        with translated():
            # asked at each attempt of a step, so without the cost of a document's validation
            found = await SimulationDocument.get_pymongo_collection().find_one({"_id": _ID})
        # rules that cannot be read make no step fail
        return next(iter(readable(_to_simulation, [found] if found else [])), Simulation())

    async def put(self, simulation: Simulation, act: OperatorAct | None = None) -> None:
        """Replace them, all at once."""
        fields = {
            "enabled": simulation.enabled,
            "rules": [_fields(rule) for rule in simulation.rules],
        }

        async def work(session: AsyncClientSession) -> None:
            rules = SimulationDocument.get_pymongo_collection()
            await rules.replace_one({"_id": _ID}, fields, upsert=True, session=session)
            if act is not None:
                await self._audit.write(act, session)

        await self._audit.in_transaction(act, work)

    async def clear(self, act: OperatorAct | None = None) -> None:
        """Remove them."""

        async def work(session: AsyncClientSession) -> None:
            rules = SimulationDocument.get_pymongo_collection()
            await rules.delete_one({"_id": _ID}, session=session)
            if act is not None:
                await self._audit.write(act, session)

        await self._audit.in_transaction(act, work)


def _fields(rule: FaultRule) -> dict[str, Any]:
    return {
        "step": rule.step.value,
        "failure_type": rule.failure_type.value,
        "failure_rate": rule.failure_rate,
        "phase": rule.phase.value,
        "transfer_ids": list(rule.transfer_ids),
    }


@read_from(SimulationDocument)
def _to_simulation(fields: Fields) -> Simulation:
    return Simulation(fields["enabled"], tuple(_rule(one) for one in fields["rules"]))


def _rule(fields: dict[str, Any]) -> FaultRule:
    return FaultRule(
        step=Leg(fields["step"]),
        failure_type=FaultType(fields["failure_type"]),
        failure_rate=fields["failure_rate"],
        phase=FaultPhase(fields["phase"]),
        transfer_ids=tuple(fields["transfer_ids"]),
    )
