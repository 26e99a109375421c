"""Operators' acts: done, and written down with what came of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from api.dependencies import Operator, request_id_of
from api.parts import parts_of
from payflow.domain.errors import PayflowError
from payflow.domain.ports import AuditLog, OperatorAct
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
        self,
        verb: str,
        subject_id: str,
        reason: str,
        work: Awaitable[T],
        outcome: Callable[[T], str] = _done,
    ) -> T:
        """The result of the work, once the act is in the audit log; so is a refusal."""
        try:
            result = await work
        except PayflowError as refusal:
            await self._record(verb, subject_id, reason, refusal.code)
            raise
        await self._record(verb, subject_id, reason, outcome(result))
        return result

    async def _record(self, verb: str, subject_id: str, reason: str, outcome: str) -> None:
        actor_id = self.principal.user_id
        act = OperatorAct(actor_id, verb, subject_id, reason, outcome, self.request_id)
        await self.log.record(act)


async def _at_work(request: Request, operator: Operator) -> OperatorAtWork:
    return OperatorAtWork(operator, parts_of(request).audit, request_id_of(request))


Acting = Annotated[OperatorAtWork, Depends(_at_work)]
