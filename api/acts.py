"""Operators' acts: written down, then done, then completed with what came of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from api.dependencies import MoneyMover, Operator, Viewer, request_id_of
from api.parts import parts_of
from payflow.domain.errors import PayflowError, Trouble
from payflow.domain.repair_ports import AuditLog, OperatorAct
from payflow.domain.users import Principal

T = TypeVar("T")


def _done(_: object) -> str:
    return "done"


@dataclass(frozen=True, slots=True)
class OperatorAtWork:
    """An operator whose acts are recorded."""

    principal: Principal
    log: AuditLog
    request_id: str

    async def does(
        self, verb: str, subject_id: str, reason: str, work: Callable[[], Awaitable[T]]
    ) -> T:
        """The result of the work, whose line in the audit log is written first.

        A crash in between leaves a line without an act, never an act without a line. A refusal
        is on record as well.
        """
        return await self.does_as(verb, subject_id, reason, lambda _: work())

    async def does_as(
        self,
        verb: str,
        subject_id: str,
        reason: str,
        work: Callable[[str], Awaitable[T]],
        outcome: Callable[[T], str] = _done,
    ) -> T:
        """The same for work that goes by the id of its line."""
        act = OperatorAct(self.principal.user_id, verb, subject_id, reason, self.request_id)
        act_id = await self.log.begin(act)
        try:
            result = await work(act_id)
        except PayflowError as refusal:
            await self.log.finish(act_id, refusal.code)
            raise
        await self.log.finish(act_id, outcome(result))
        return result

    async def writes(
        self,
        verb: str,
        subject_id: str,
        reason: str | None,
        work: Callable[[OperatorAct | None], Awaitable[T]],
    ) -> T:
        """The result of work that writes the act's line itself, in its own transaction.

        An owner's call is no act of an operator. A refusal is on record as well; of what is not
        known to be done there is either both or none.
        """
        if not self.principal.is_operator:
            return await work(None)
        act = OperatorAct(self.principal.user_id, verb, subject_id, reason or "", self.request_id)
        try:
            return await work(act)
        except Trouble:
            raise
        except PayflowError as refusal:
            await self.log.refused(act, refusal.code)
            raise


def _recorded(request: Request, caller: Principal) -> OperatorAtWork:
    return OperatorAtWork(caller, parts_of(request).audit, request_id_of(request))


async def _operator(request: Request, operator: Operator) -> OperatorAtWork:
    return _recorded(request, operator)


async def _viewer(request: Request, viewer: Viewer) -> OperatorAtWork:
    return _recorded(request, viewer)


async def _money_mover(request: Request, mover: MoneyMover) -> OperatorAtWork:
    return _recorded(request, mover)


Acting = Annotated[OperatorAtWork, Depends(_operator)]
OwnerOrOperator = Annotated[OperatorAtWork, Depends(_viewer)]  # an owner's calls are not recorded
MovingMoney = Annotated[OperatorAtWork, Depends(_money_mover)]
