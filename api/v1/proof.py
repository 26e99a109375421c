"""The proof of the books, and the keys to verify it with: open to anyone."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from starlette.responses import JSONResponse

from api.pages import page_object, sequence_after
from api.parts import Ask
from api.problems import ANYONE, documented
from api.v1 import examples
from api.v1.answers import ListAnswer, answer
from api.v1.schemas import PageQuery
from api.well_known import JwkSet, JwkSetResponse
from payflow.domain.ports import Page

_EXTRA: JsonDict = {"examples": [examples.PROOF, examples.PROOF_VIOLATED]}

router = APIRouter(prefix="/v1", tags=["proof"])


class Violation(BaseModel):
    """One thing that is not as it must be."""

    invariant: str = Field(description="The rule, as docs/operations.md lists them.")
    subject_id: str = Field(description="A wallet, transfer, entry, event or place of the feed.")
    detail: str = Field(description="What is wrong, for people.")


class OldestInTransit(BaseModel):
    """The transfer whose money has been under way for the longest time."""

    transfer_id: str
    since: str


class ProofAnswer(BaseModel):
    """A proof: `hash` is the SHA-256 of its RFC 8785 form without `hash` and `signature`, and
    `signature` the base64 of Ed25519 over that form, by the key `key_id` of `/v1/proof/keys`."""

    model_config = ConfigDict(json_schema_extra=_EXTRA)

    object: Literal["proof"]
    number: int = Field(description="Proofs are numbered from 1, without gap.")
    status: Literal["ok", "violated"] = Field(
        description="`violated` while any finding is open, until an operator has closed it."
    )
    checked_at: str
    stale_after: str = Field(
        description="From then on this proof says nothing of now: three passes are missing."
    )
    snapshot_at: str = Field(description="When the books stood as they were checked.")
    scope: Literal["incremental", "full"] = Field(
        description="What was committed since the last proof, or everything from the beginning."
    )
    transfers_checked: int = Field(description="All transfers ever accepted up to the snapshot.")
    feed_position: int = Field(description="The place in `/v1/events` that it reaches to.")
    oldest_in_transit: OldestInTransit | None
    time_to_clear_ms: int | None = Field(
        description="Median of how long money was in transit that arrived since the last proof."
    )
    violations: list[Violation]
    previous_hash: str = Field(description="`hash` of the proof before it; 64 zeros in the first.")
    key_id: str
    hash: str
    signature: str


@router.get(
    "/proof",
    response_model=ProofAnswer,
    summary="Read the last proof",
    responses=documented(*ANYONE, "proof_pending", "proof_stale"),
)
async def proof(ask: Ask) -> JSONResponse:
    """The last signed result of the check that no money was lost, made or changed. Every
    `PAYFLOW_PROOF_INTERVAL_S` there is a new one; `/proof` is a page of it for people. When none
    has followed by its `stale_after` the answer is 503 `proof_stale`: `/v1/proofs` still has it."""
    return answer(dict(await ask.proofs.latest()))


@router.get(
    "/proofs",
    response_model=ListAnswer[ProofAnswer],
    summary="List proofs",
    responses=documented(*ANYONE, "validation_error", "cursor_invalid"),
)
async def proofs(query: Annotated[PageQuery, Query()], ask: Ask) -> JSONResponse:
    """All proofs that were given, newest first: each names the hash of the one before it."""
    after = sequence_after(query.cursor)
    found = await ask.proofs.before(int(after) if after else None, query.limit + 1)
    shown = found[: query.limit]
    more = len(found) > query.limit
    return answer(page_object(Page(shown, str(shown[-1]["number"]) if more else None), dict))


@router.get(
    "/proof/keys",
    response_model=JwkSet,
    summary="Read the keys of proofs and receipts",
    response_class=JwkSetResponse,
    responses=documented(*ANYONE),
)
async def proof_keys(ask: Ask) -> JwkSetResponse:
    """The public halves of every key that signed a proof or receipt; the first signs new ones."""
    return JwkSetResponse({"keys": ask.statement_keys.public})
