"""API keys: made, listed and revoked by the people whose programs show them."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import JSONResponse, Response

from api.account_limits import API_KEYS
from api.acts import OwnerOrOperator
from api.dependencies import Limited, Viewer
from api.json_body import JsonRoute
from api.pages import id_after, page_object
from api.parts import Ask
from api.problems import BODY, USER, documented
from api.v1.answers import ListAnswer, answer
from api.v1.api_key_schemas import (
    ApiKeyAnswer,
    ApiKeyId,
    ApiKeyOrder,
    NewApiKeyAnswer,
    api_key_object,
)
from api.v1.schemas import OptionalReason, PageQuery
from payflow.domain.identifiers import Prefix

router = APIRouter(prefix="/v1/api-keys", tags=["api keys"], route_class=JsonRoute)


@router.post(
    "",
    status_code=201,
    response_model=NewApiKeyAnswer,
    dependencies=[Depends(Limited(API_KEYS))],
    summary="Make an API key",
    responses=documented(*USER, *BODY, "api_key_expiry_invalid", "api_key_limit_reached"),
)
async def make_key(body: ApiKeyOrder, viewer: Viewer, ask: Ask) -> JSONResponse:
    """Make a key for a program. It is shown in this answer only; it never is an operator's."""
    key, text = await ask.key_ring.make(viewer, body.wanted())
    headers = {"Location": f"/v1/api-keys/{key.id}"}
    return answer({**api_key_object(key), "key": text}, 201, headers)


@router.get(
    "",
    response_model=ListAnswer[ApiKeyAnswer],
    summary="List API keys",
    responses=documented(*USER, "validation_error", "cursor_invalid"),
)
async def list_keys(query: Annotated[PageQuery, Query()], viewer: Viewer, ask: Ask) -> JSONResponse:
    """The caller's own keys, newest first, with when each was last used."""
    after = id_after(query.cursor, Prefix.API_KEY)
    page = await ask.api_keys.list(viewer, limit=query.limit, after=after)
    return answer(page_object(page, api_key_object))


@router.get(
    "/{key_id}",
    response_model=ApiKeyAnswer,
    summary="Read an API key",
    responses=documented(*USER, "api_key_not_found"),
)
async def read_key(key_id: ApiKeyId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """A key of the caller's; an operator reads any."""
    return answer(api_key_object(await ask.api_keys.get(key_id, viewer)))


@router.delete(
    "/{key_id}",
    status_code=204,
    summary="Revoke an API key",
    responses=documented(*USER, "api_key_not_found", "validation_error"),
)
async def revoke_key(
    key_id: ApiKeyId, caller: OwnerOrOperator, ask: Ask, query: Annotated[OptionalReason, Query()]
) -> Response:
    """Let it open nothing any more, within seconds in every process; an operator revokes any."""
    work = partial(ask.api_keys.revoke, key_id, caller.principal, ask.clock.now())
    key = await caller.writes("revoke_api_key", key_id, query.reason, work)
    ask.admission.forget(key.owner_id)
    return Response(status_code=204)
