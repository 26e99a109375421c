"""Batches: many transfers accepted in one call, read, listed item by item, cancelled."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse

from api.account_limits import BATCHES
from api.batch_body import AskedBatch
from api.dependencies import Limited, Viewer, request_id_of
from api.idempotency import PARAMETER
from api.pages import page_object, sequence_after
from api.parts import Ask
from api.problems import BODY, KEYED, USER, documented
from api.v1 import examples
from api.v1.answers import BatchAnswer, ItemAnswer, ListAnswer, answer, batch_object, item_object
from api.v1.fields import BatchId
from api.v1.schemas import PageQuery
from payflow.domain.batches import Batch
from payflow.domain.ports import Written

PATH = "/v1/batches"

router = APIRouter(prefix=PATH, tags=["batches"])

_HEADERS = {
    "Location": {"description": "The batch's address.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true` when the key was used before.",
        "schema": {"type": "string"},
    },
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/NewBatch"},
            "example": examples.BATCH,
        },
        "text/csv": {
            "schema": {
                "type": "string",
                "description": "A header of the transfer's field names, then a line an item; "
                "`metadata` is JSON. The mode is the query's.",
            },
            "example": examples.BATCH_CSV,
        },
    },
}


@router.post(
    "",
    status_code=202,
    response_model=BatchAnswer,
    dependencies=[Depends(Limited(BATCHES))],
    summary="Make many transfers",
    response_description="The batch is accepted whole and under way.",
    responses={
        202: {"headers": _HEADERS},
        **documented(
            *USER,
            *BODY,
            *KEYED,
            "too_many_batches",
            "wallet_not_found",
            "destination_not_found",
            "recipient_not_found",
            "same_wallet",
            "currency_mismatch",
        ),
    },
    openapi_extra={"parameters": [PARAMETER], "requestBody": _BODY},
)
async def make_batch(asked: AskedBatch, ask: Ask, request: Request) -> JSONResponse:
    """Accept up to 10,000 transfers, or none of them, and start the saga that carries them out.

    `independent`: each for itself. `stop_on_error`: in order, until one fails. `atomic`: all or
    none, in one set of postings. An item that may not be is named: `transfers[17].amount`.
    """
    request_id = request_id_of(request)
    async with ask.account_limits.recipients(asked.order.owner_id, asked.order.items):
        written = await ask.batches.accept(asked.order, asked.claim)
    await ask.sagas.start_batch(written.thing.id, request_id)
    return answer(batch_object(written.thing), 202, _headers(written))


@router.get(
    "/{batch_id}",
    response_model=BatchAnswer,
    summary="Read a batch",
    responses=documented(*USER, "batch_not_found"),
)
async def read_batch(batch_id: BatchId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """A batch of the caller's, with how many items have ended; an operator reads any."""
    return answer(batch_object(await ask.batches.get(batch_id, viewer)))


@router.get(
    "/{batch_id}/items",
    response_model=ListAnswer[ItemAnswer],
    summary="List a batch's items",
    responses=documented(*USER, "batch_not_found", "validation_error", "cursor_invalid"),
)
async def list_items(
    batch_id: BatchId, query: Annotated[PageQuery, Query()], viewer: Viewer, ask: Ask
) -> JSONResponse:
    """The items in the order in which they were sent."""
    after = sequence_after(query.cursor)
    page = await ask.batches.items(batch_id, viewer, limit=query.limit, after=after)
    return answer(page_object(page, item_object))


@router.post(
    "/{batch_id}/cancel",
    response_model=BatchAnswer,
    summary="Cancel a batch",
    responses=documented(*USER, "batch_not_found"),
)
async def cancel_batch(batch_id: BatchId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """End the items that have not begun (`cancelled`); the others go on. Its owner only."""
    return answer(batch_object(await ask.batches.cancel(batch_id, viewer)))


def _headers(written: Written[Batch]) -> dict[str, str]:
    headers = {"Location": f"{PATH}/{written.thing.id}"}
    if written.replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers
