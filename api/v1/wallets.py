"""Wallets: opened and read by their owners, frozen and closed by operators."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from api.acts import Acting
from api.dependencies import Viewer
from api.json_body import JsonRoute
from api.pages import id_after, page_object, sequence_after
from api.parts import Ask
from api.problems import BODY, OPERATOR, USER, documented
from api.v1.answers import (
    EntryAnswer,
    ListAnswer,
    WalletAnswer,
    answer,
    entry_object,
    wallet_object,
)
from api.v1.fields import WalletId
from api.v1.schemas import NewWallet, OptionalReason, PageQuery
from payflow.domain.identifiers import Prefix
from payflow.domain.wallets import WalletStatus

router = APIRouter(prefix="/v1/wallets", tags=["wallets"], route_class=JsonRoute)

_STATE_CHANGE = (*OPERATOR, *BODY, "wallet_not_found", "wallet_closed", "outcome_unknown")


@router.post(
    "",
    status_code=201,
    response_model=WalletAnswer,
    summary="Open a wallet",
    responses=documented(*USER, *BODY, "wallet_limit_reached"),
)
async def open_wallet(body: NewWallet, viewer: Viewer, ask: Ask) -> JSONResponse:
    """Open an empty, active wallet of one currency."""
    return answer(
        wallet_object(await ask.wallets.open(viewer.user_id, body.currency, body.name)), 201
    )


@router.get(
    "",
    response_model=ListAnswer[WalletAnswer],
    summary="List wallets",
    responses=documented(*USER, "validation_error", "cursor_invalid"),
)
async def list_wallets(
    query: Annotated[PageQuery, Query()], viewer: Viewer, ask: Ask
) -> JSONResponse:
    """The caller's own wallets, newest first."""
    after = id_after(query.cursor, Prefix.WALLET)
    page = await ask.wallets.list(viewer, limit=query.limit, after=after)
    return answer(page_object(page, wallet_object))


@router.get(
    "/{wallet_id}",
    response_model=WalletAnswer,
    summary="Read a wallet",
    responses=documented(*USER, "wallet_not_found"),
)
async def read_wallet(wallet_id: WalletId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """A wallet of the caller's; an operator reads any."""
    return answer(wallet_object(await ask.wallets.get(wallet_id, viewer)))


@router.get(
    "/{wallet_id}/entries",
    response_model=ListAnswer[EntryAnswer],
    summary="List a wallet's entries",
    responses=documented(*USER, "validation_error", "cursor_invalid", "wallet_not_found"),
)
async def list_entries(
    wallet_id: WalletId, query: Annotated[PageQuery, Query()], viewer: Viewer, ask: Ask
) -> JSONResponse:
    """The wallet's ledger entries, newest first: each with the balance after it."""
    after = sequence_after(query.cursor)
    page = await ask.wallets.entries(wallet_id, viewer, limit=query.limit, after=after)
    return answer(page_object(page, entry_object))


@router.post(
    "/{wallet_id}/freeze",
    response_model=WalletAnswer,
    summary="Freeze a wallet",
    responses=documented(*_STATE_CHANGE),
)
async def freeze(
    wallet_id: WalletId, operator: Acting, ask: Ask, body: OptionalReason | None = None
) -> JSONResponse:
    """Let no money in or out; what is given back to the wallet still lands. Operators only."""
    work = partial(ask.wallets.set_status, wallet_id, WalletStatus.FROZEN)
    return answer(wallet_object(await operator.does("freeze", wallet_id, said(body), work)))


@router.post(
    "/{wallet_id}/unfreeze",
    response_model=WalletAnswer,
    summary="Unfreeze a wallet",
    responses=documented(*_STATE_CHANGE),
)
async def unfreeze(
    wallet_id: WalletId, operator: Acting, ask: Ask, body: OptionalReason | None = None
) -> JSONResponse:
    """Make a frozen wallet active again. Operators only."""
    work = partial(ask.wallets.set_status, wallet_id, WalletStatus.ACTIVE)
    return answer(wallet_object(await operator.does("unfreeze", wallet_id, said(body), work)))


@router.post(
    "/{wallet_id}/close",
    response_model=WalletAnswer,
    summary="Close a wallet",
    responses=documented(*_STATE_CHANGE, "wallet_in_use"),
)
async def close(
    wallet_id: WalletId, operator: Acting, ask: Ask, body: OptionalReason | None = None
) -> JSONResponse:
    """Close an empty wallet for good. Operators only."""
    work = partial(ask.wallets.set_status, wallet_id, WalletStatus.CLOSED)
    return answer(wallet_object(await operator.does("close", wallet_id, said(body), work)))


def said(body: OptionalReason | None) -> str:
    """The reason an operator gave, or none."""
    return (body and body.reason) or ""
