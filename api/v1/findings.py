"""What the proof has found: listed, and closed with a reason, by operators."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from api.acts import Acting
from api.dependencies import Operator
from api.json_body import JsonRoute
from api.pages import id_after, page_object
from api.parts import Ask
from api.problems import BODY, OPERATOR, documented
from api.v1 import examples
from api.v1.answers import ListAnswer, answer
from api.v1.fields import FindingId
from api.v1.schemas import OperatorReason, PageQuery
from payflow.domain.identifiers import Prefix
from payflow.domain.proof_ports import FindingClosure, FindingStatus, RecordedFinding
from payflow.domain.representation import rfc3339

router = APIRouter(prefix="/v1/proof/findings", tags=["proof"], route_class=JsonRoute)


class FindingAnswer(BaseModel):
    """Something the proof has found wrong. While one is open, every proof is `violated`."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FINDING]})

    object: Literal["finding"]
    id: str
    status: Literal["open", "closed"]
    invariant: str = Field(description="The rule, as docs/operations.md lists them.")
    subject_id: str = Field(description="A wallet, transfer, batch, entry, event or position.")
    detail: str = Field(description="What is wrong, for people.")
    first_proof: int = Field(description="The number of the first proof that had it.")
    last_proof: int = Field(description="The number of the last proof whose pass found it again.")
    wallet_ids: list[str] = Field(
        description="The wallets that were frozen because of it; only an operator unfreezes."
    )
    found_at: str
    closed_at: str | None
    closed_by: str | None = Field(description="The operator who closed it.")
    reason: str | None = Field(description="Why it was closed.")


class FindingQuery(PageQuery):
    """Which findings, and which page of them."""

    status: FindingStatus | None = Field(None, description="Only those that stand so.")


@router.get(
    "",
    response_model=ListAnswer[FindingAnswer],
    summary="List findings",
    responses=documented(*OPERATOR, "validation_error", "cursor_invalid"),
)
async def list_findings(
    query: Annotated[FindingQuery, Query()],
    operator: Operator,  # noqa: ARG001  # who may call
    ask: Ask,
) -> JSONResponse:
    """What the proof has found, newest first. Operators only."""
    after = id_after(query.cursor, Prefix.FINDING)
    page = await ask.findings.list(query.status, limit=query.limit, after=after)
    return answer(page_object(page, finding_object))


@router.post(
    "/{finding_id}/close",
    response_model=FindingAnswer,
    summary="Close a finding",
    responses=documented(
        *OPERATOR, *BODY, "finding_not_found", "finding_closed", "outcome_unknown"
    ),
)
async def close_finding(
    finding_id: FindingId, body: OperatorReason, operator: Acting, ask: Ask
) -> JSONResponse:
    """Say that the finding is understood and put right; the reason is kept in the audit log. The
    next pass checks everything: what is still wrong is a new finding. Operators only."""
    closure = FindingClosure(
        finding_id, operator.principal.user_id, body.reason, operator.request_id
    )
    return answer(finding_object(await ask.findings.close(closure)))


def finding_object(one: RecordedFinding) -> dict[str, Any]:
    """The finding as the contract spells it."""
    return {
        "object": "finding",
        "id": one.id,
        "status": one.status.value,
        "invariant": one.finding.invariant.value,
        "subject_id": one.finding.subject_id,
        "detail": one.finding.detail,
        "first_proof": one.first_proof,
        "last_proof": one.last_proof,
        "wallet_ids": list(one.wallet_ids),
        "found_at": rfc3339(one.found_at),
        "closed_at": rfc3339(one.closed_at) if one.closed_at else None,
        "closed_by": one.closed_by,
        "reason": one.reason,
    }
