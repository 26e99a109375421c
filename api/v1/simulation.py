"""Fault rehearsal: rules that make steps fail on purpose. Not there in production."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from api.dependencies import Operator
from api.json_body import JsonRoute
from api.parts import Ask
from api.problems import BODY, OPERATOR, documented
from api.v1.answers import SimulationAnswer, answer, simulation_object
from api.v1.schemas import Rules

router = APIRouter(prefix="/v1/simulation", tags=["simulation"], route_class=JsonRoute)


@router.put(
    "",
    response_model=SimulationAnswer,
    summary="Set the fault rules",
    responses=documented(*OPERATOR, *BODY),
)
async def put_simulation(body: Rules, operator: Operator, ask: Ask) -> JSONResponse:  # noqa: ARG001
    """Replace the rules; every process follows them from the next attempt on."""
    simulation = body.simulation()
    await ask.rehearsal.put(simulation)
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
    "", status_code=204, summary="Clear the fault rules", responses=documented(*OPERATOR)
)
async def clear_simulation(operator: Operator, ask: Ask) -> Response:  # noqa: ARG001
    """Remove all rules."""
    await ask.rehearsal.clear()
    return Response(status_code=204)
