"""Fault rehearsal: rules that make steps fail on purpose. Not there in production."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from api.acts import Acting
from api.dependencies import Operator
from api.json_body import JsonRoute
from api.parts import Ask
from api.problems import BODY, OPERATOR, documented
from api.v1.answers import SimulationAnswer, answer, simulation_object
from api.v1.schemas import OptionalReason, Rules

SUBJECT = "fault_rules"  # of the lines in the audit log: there is one set of rules

router = APIRouter(prefix="/v1/simulation", tags=["simulation"], route_class=JsonRoute)


@router.put(
    "",
    response_model=SimulationAnswer,
    summary="Set the fault rules",
    responses=documented(*OPERATOR, *BODY),
)
async def put_simulation(body: Rules, operator: Acting, ask: Ask) -> JSONResponse:
    """Replace the rules; every process follows them from the next attempt on."""
    simulation = body.simulation()
    work = partial(ask.rehearsal.put, simulation)
    await operator.writes("set_fault_rules", SUBJECT, body.reason, work)
    return answer(simulation_object(simulation))


@router.get(
    "",
    response_model=SimulationAnswer,
    summary="Read the fault rules",
    responses=documented(*OPERATOR),
)
async def read_simulation(operator: Operator, ask: Ask) -> JSONResponse:  # noqa: ARG001
    """The rules in force."""
    return answer(simulation_object(await ask.rehearsal.get()))


@router.delete(
    "",
    status_code=204,
    summary="Clear the fault rules",
    responses=documented(*OPERATOR, "validation_error"),
)
async def clear_simulation(
    operator: Acting, ask: Ask, query: Annotated[OptionalReason, Query()]
) -> Response:
    """Remove all rules."""
    await operator.writes("clear_fault_rules", SUBJECT, query.reason, ask.rehearsal.clear)
    return Response(status_code=204)
