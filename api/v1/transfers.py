"""Transfers: accepted, read and listed."""

from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse

from api.dependencies import SignedIn, Viewer, request_id_of
from api.idempotency import PARAMETER as IDEMPOTENCY_KEY
from api.idempotency import Claim
from api.in_flight import rest
from api.json_body import JsonRoute
from api.pages import id_after, page_object
from api.parts import Ask, Parts
from api.preferences import PARAMETER as PREFER
from api.preferences import Wait
from api.problems import BODY, KEYED, USER, documented
from api.v1.answers import ListAnswer, TransferAnswer, answer
from api.v1.fields import TransferId
from api.v1.schemas import NewTransfer, TransferQuery
from payflow.auth.admission import Visitor
from payflow.domain.api_keys import ApiKeyExpired
from payflow.domain.errors import AuthenticationFailed, TokenExpired, Trouble
from payflow.domain.identifiers import Prefix
from payflow.domain.ports import Written
from payflow.domain.representation import transfer_object
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.observability.context import note

router = APIRouter(prefix="/v1/transfers", tags=["transfers"], route_class=JsonRoute)

_HEADERS = {
    "Location": {"description": "The transfer's address.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true` when the key was used before.",
        "schema": {"type": "string"},
    },
    "Preference-Applied": {
        "description": "The `wait` that was honoured.",
        "schema": {"type": "string"},
    },
}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    201: {
        "model": TransferAnswer,
        "description": "The transfer has ended, however it ended.",
        "headers": _HEADERS,
    },
    202: {"headers": _HEADERS},
}


@router.post(
    "",
    status_code=202,
    response_model=TransferAnswer,
    summary="Make a transfer",
    response_description="The transfer is accepted and under way.",
    responses={
        **_ACCEPTED,
        **documented(
            *USER,
            *BODY,
            *KEYED,
            "token_revoked",
            "wallet_not_found",
            "destination_not_found",
            "recipient_not_found",
            "same_wallet",
            "currency_mismatch",
        ),
    },
    openapi_extra={"parameters": [IDEMPOTENCY_KEY, PREFER]},
)
async def make_transfer(
    body: NewTransfer, visitor: SignedIn, claim: Claim, wait_s: Wait, ask: Ask, request: Request
) -> JSONResponse:
    """Accept a transfer, and start the saga that carries it out.

    202 while it is under way; 201 when it has ended as we answer, for which `Prefer: wait=N`
    waits. A lack of funds is an outcome of the saga (`failed`), not an error of the request.
    """
    request_id = request_id_of(request)
    order = body.order(visitor.principal.user_id, request_id)
    async with ask.account_limits.recipients(order.payer_id, (order,)):
        written = await ask.transfers.accept(order, claim)
    if wait_s is not None:
        rest(request.scope)
    transfer = await _set_off(ask, written.thing, request_id, wait_s, visitor)
    if not written.replayed:
        until_ended = partial(ask.transfers.wait_terminal, transfer.id)
        ask.saga_pressure.watch(request.scope, transfer, until_ended)
    status = 201 if transfer.status.is_terminal else 202
    return answer(transfer_object(transfer), status, _headers(written, wait_s))


@router.get(
    "",
    response_model=ListAnswer[TransferAnswer],
    summary="List transfers",
    responses=documented(*USER, "validation_error", "cursor_invalid"),
)
async def list_transfers(
    query: Annotated[TransferQuery, Query()], viewer: Viewer, ask: Ask
) -> JSONResponse:
    """The transfers the caller is a party of, newest first; an operator sees all."""
    after = id_after(query.cursor, Prefix.TRANSFER)
    page = await ask.transfers.list(viewer, query.wanted(), limit=query.limit, after=after)
    return answer(page_object(page, transfer_object))


@router.get(
    "/{transfer_id}",
    response_model=TransferAnswer,
    summary="Read a transfer",
    responses=documented(*USER, "transfer_not_found"),
)
async def read_transfer(transfer_id: TransferId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """A transfer the caller is a party of; an operator reads any."""
    return answer(transfer_object(await ask.transfers.get(transfer_id, viewer)))


async def _set_off(
    ask: Parts, transfer: Transfer, request_id: str, wait_s: int | None, visitor: Visitor
) -> Transfer:
    """Start the saga of an accepted transfer and wait as asked.

    The transfer runs whatever happens here, so trouble with waiting is no error. A caller who is
    deactivated or revoked meanwhile learns nothing of how it went on.

    Raises:
        AuthenticationFailed: the caller was deactivated or revoked during the wait.
    """
    start = None
    note(transfer_id=transfer.id, workflow_id=transfer.workflow_id)
    if transfer.status is TransferStatus.INITIATED:
        start = ask.sagas.start(transfer, request_id)
    if wait_s is None or transfer.status.is_terminal:
        if start is not None:
            await start
        return transfer
    waited = transfer
    with ask.access_watch.watching(visitor) as request, suppress(Trouble):
        waited = await ask.transfers.wait_terminal(
            transfer.id, wait_s, once=start, given_up=lambda: request.is_refused
        )
    if request.refusal is None:
        return waited
    if isinstance(request.refusal, AuthenticationFailed) and not isinstance(
        request.refusal, TokenExpired | ApiKeyExpired
    ):
        raise request.refusal
    return transfer  # as it was when the token was still good


def _headers(written: Written[Transfer], wait_s: int | None) -> dict[str, str]:
    headers = {"Location": f"/v1/transfers/{written.thing.id}"}
    if written.replayed:
        headers["Idempotent-Replayed"] = "true"
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s}"
    return headers
