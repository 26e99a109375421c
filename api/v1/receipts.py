"""Receipts of ended transfers, and the signed roots that anybody can hold them against."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from api.account_limits import REPORTS
from api.dependencies import Limited, Viewer
from api.pages import date_after, page_object
from api.parts import Ask
from api.problems import ANYONE, USER, documented
from api.v1 import examples
from api.v1.answers import FailureAnswer, ListAnswer, answer
from api.v1.fields import TransferId
from api.v1.schemas import PageQuery

router = APIRouter(prefix="/v1", tags=["proof"])

Date = Annotated[
    str,
    Path(
        description="A period's name: the UTC day.",
        examples=[examples.ROOT_DATE],
        max_length=20,
    ),
]


class RootAnswer(BaseModel):
    """The signed root of the tree over the transfers that ended in a period.

    It goes from after one position in the feed through another; `previous_hash` is the `hash` of
    the root before it.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ROOT_ANSWER]})

    object: Literal["receipt_root"]
    version: int
    date: str
    starts_at: str
    ends_at: str
    after_position: int
    through_position: int
    leaves: int
    root: str
    previous_hash: str
    key_id: str
    hash: str
    signature: str


class ReceiptTransfer(BaseModel):
    """What was ordered, and how it ended."""

    id: str
    status: Literal["completed", "failed"]
    amount: int
    currency: str
    source_wallet_id: str
    destination_wallet_id: str
    description: str | None
    metadata: dict[str, str]
    failure: FailureAnswer | None
    refunded: bool
    created_at: str
    completed_at: str


class ReceiptEntry(BaseModel):
    """A journal entry; `digest` is SHA-256 over what it posted, in canonical JSON."""

    key: str
    outcome: Literal["applied", "refused", "voided"] | None
    at: str
    digest: str


class InclusionAnswer(BaseModel):
    """The proof (RFC 9162) that the transfer is the `index`-th leaf under the root."""

    index: int
    path: list[str]
    root: RootAnswer


class ReceiptAnswer(BaseModel):
    """A signed receipt; keep it as it is, for `payflow verify`.

    Until the period is sealed, `inclusion` is null and `available_after` says when to ask again.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [examples.RECEIPT_ANSWER]})

    object: Literal["receipt"]
    version: int
    transfer: ReceiptTransfer
    entries: list[ReceiptEntry]
    inclusion: InclusionAnswer | None
    available_after: str | None
    key_id: str
    hash: str
    signature: str


@router.get(
    "/transfers/{transfer_id}/receipt",
    response_model=ReceiptAnswer,
    dependencies=[Depends(Limited(REPORTS))],
    summary="Read a transfer's receipt",
    responses=documented(*USER, "transfer_not_found", "transfer_not_terminal"),
)
async def read_receipt(transfer_id: TransferId, viewer: Viewer, ask: Ask) -> JSONResponse:
    """What an ended transfer came to, signed, with the proof that it is in its period's root.

    Verified with the network off: `payflow verify receipt.json --keys keys.json`, the keys being
    those of `GET /v1/proof/keys`.
    """
    return answer(await ask.receipts.of(await ask.transfers.get(transfer_id, viewer)))


@router.get(
    "/roots",
    response_model=ListAnswer[RootAnswer],
    summary="List the roots of receipts",
    responses=documented(*ANYONE, "validation_error", "cursor_invalid"),
)
async def list_roots(query: Annotated[PageQuery, Query()], ask: Ask) -> JSONResponse:
    """Every sealed period's root, the newest first, for anybody to keep and compare."""
    page = await ask.receipts.roots(query.limit, date_after(query.cursor))
    return answer(page_object(page, dict))


@router.get(
    "/roots/{date}",
    response_model=RootAnswer,
    summary="Read the root of a day",
    responses=documented(*ANYONE, "root_not_found", "validation_error"),
)
async def read_root(date: Date, ask: Ask) -> JSONResponse:
    """The signed root of a day in UTC, sealed once the day is over."""
    return answer(dict(await ask.receipts.root(date)))
