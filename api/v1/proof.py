"""The proof of the books, and the keys to verify it with: open to anyone."""

from fastapi import APIRouter

from api.parts import Ask
from api.problems import ANYONE, documented
from api.well_known import JwkSet, JwkSetResponse

router = APIRouter(prefix="/v1/proof", tags=["proof"])


@router.get(
    "/keys",
    response_model=JwkSet,
    summary="Read the keys of proofs and receipts",
    response_class=JwkSetResponse,
    responses=documented(*ANYONE),
)
async def proof_keys(ask: Ask) -> JwkSetResponse:
    """The public halves of every key that signed a proof or receipt; the first signs new ones."""
    return JwkSetResponse({"keys": ask.statement_keys.public})
