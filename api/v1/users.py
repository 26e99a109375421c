"""Other people's accounts, for operators."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from api.acts import Acting
from api.dependencies import Operator
from api.json_body import JsonRoute
from api.pages import page_object
from api.parts import Ask
from api.problems import BODY, OPERATOR, documented
from api.v1.answers import ListAnswer, UserAnswer, answer, user_object
from api.v1.fields import UserId
from api.v1.schemas import OperatorReason, UserQuery
from payflow.domain.ports import Page

router = APIRouter(prefix="/v1/users", tags=["users"], route_class=JsonRoute)


@router.get(
    "",
    response_model=ListAnswer[UserAnswer],
    summary="Find a user",
    responses=documented(*OPERATOR, "validation_error"),
)
async def find_users(
    query: Annotated[UserQuery, Query()],
    operator: Operator,  # noqa: ARG001  # who may call
    ask: Ask,
) -> JSONResponse:
    """The user with that address, as a list of one or none. Operators only."""
    user = await ask.accounts.find_by_email(query.email)
    return answer(page_object(Page([user] if user else []), user_object))


@router.post(
    "/{user_id}/deactivate",
    response_model=UserAnswer,
    summary="Deactivate a user",
    responses=documented(*OPERATOR, *BODY, "user_not_found"),
)
async def deactivate(
    user_id: UserId, body: OperatorReason, operator: Acting, ask: Ask
) -> JSONResponse:
    """Let the user neither sign in nor use a token; their transfers go on. Operators only."""
    work = partial(ask.accounts.set_active, user_id, active=False)
    user = await operator.does("deactivate", user_id, body.reason, work)
    await ask.sessions.end_all(user_id)
    ask.admission.forget(user_id)
    return answer(user_object(user))


@router.post(
    "/{user_id}/reactivate",
    response_model=UserAnswer,
    summary="Reactivate a user",
    responses=documented(*OPERATOR, *BODY, "user_not_found"),
)
async def reactivate(
    user_id: UserId, body: OperatorReason, operator: Acting, ask: Ask
) -> JSONResponse:
    """Let the user sign in again. Operators only."""
    work = partial(ask.accounts.set_active, user_id, active=True)
    return answer(user_object(await operator.does("reactivate", user_id, body.reason, work)))
