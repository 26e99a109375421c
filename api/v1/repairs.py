"""The repair verbs: what operators ask of a transfer that stands still."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from api.acts import Acting, OperatorAtWork
from api.json_body import JsonRoute
from api.parts import Ask, Parts
from api.problems import BODY, OPERATOR, documented
from api.v1.answers import TransferAnswer, answer
from api.v1.fields import TransferId
from api.v1.repair_schemas import (
    ApprovalAnswer,
    PreviewAnswer,
    RepairBody,
    ResolveBody,
    approval_answer,
    preview_answer,
)
from payflow.domain.repairs import RepairAnswer, Verb
from payflow.domain.representation import transfer_object

router = APIRouter(prefix="/v1/transfers/{transfer_id}", tags=["transfers"], route_class=JsonRoute)

_VERB = (
    *OPERATOR,
    *BODY,
    "operator_unknown",
    "reason_required",
    "illegal_move",
    "transfer_not_found",
    "workflow_cannot_run",
)
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "The transfer; with `dry_run`, what would be posted."}
}
_PROPOSED: dict[int | str, dict[str, Any]] = {
    202: {"model": ApprovalAnswer, "description": "Another operator must approve it."}
}


@router.post(
    "/retry",
    response_model=TransferAnswer | PreviewAnswer,
    summary="Retry the pending step",
    responses={**_ANSWER, **documented(*_VERB, "nothing_to_retry", "transfer_paused")},
)
async def retry(
    transfer_id: TransferId, body: RepairBody, operator: Acting, ask: Ask
) -> JSONResponse:
    """Run the pending step now instead of when its back-off ends. Operators only."""
    return await _repaired(Verb.RETRY, transfer_id, body, operator, ask)


@router.post(
    "/refund",
    response_model=TransferAnswer | PreviewAnswer,
    summary="Give the money back",
    responses={**_ANSWER, **documented(*_VERB, "transfer_terminal")},
)
async def refund(
    transfer_id: TransferId, body: RepairBody, operator: Acting, ask: Ask
) -> JSONResponse:
    """Settle the pending step and give the money back, unless it has landed. Operators only."""
    return await _repaired(Verb.REFUND, transfer_id, body, operator, ask)


@router.post(
    "/resolve",
    response_model=TransferAnswer | PreviewAnswer,
    summary="Resolve a leg by what happened elsewhere",
    responses={
        **_ANSWER,
        **_PROPOSED,
        **documented(
            *_VERB,
            "transfer_terminal",
            "leg_not_pending",
            "second_operator_required",
            "resolve_invalid",
        ),
    },
)
async def resolve(
    transfer_id: TransferId, body: ResolveBody, operator: Acting, ask: Ask
) -> JSONResponse:
    """End the pending leg as two operators vouch; the first call proposes it. Operators only.

    `settled_outside` books the amount out to the world; `not_done` (a credit only) voids the leg
    and gives the money back. Another operator's same call within a day approves it.
    """
    return await _repaired(Verb.RESOLVE, transfer_id, body, operator, ask)


@router.post(
    "/pause",
    response_model=TransferAnswer | PreviewAnswer,
    summary="Pause a transfer",
    responses={**_ANSWER, **documented(*_VERB, "transfer_terminal")},
)
async def pause(
    transfer_id: TransferId, body: RepairBody, operator: Acting, ask: Ask
) -> JSONResponse:
    """Try nothing more until it is resumed; the money stays where it is. Operators only."""
    return await _repaired(Verb.PAUSE, transfer_id, body, operator, ask)


@router.post(
    "/resume",
    response_model=TransferAnswer | PreviewAnswer,
    summary="Resume a transfer",
    responses={**_ANSWER, **documented(*_VERB, "transfer_terminal")},
)
async def resume(
    transfer_id: TransferId, body: RepairBody, operator: Acting, ask: Ask
) -> JSONResponse:
    """Go on after a pause; without one nothing changes. Operators only."""
    return await _repaired(Verb.RESUME, transfer_id, body, operator, ask)


async def _repaired(
    verb: Verb, transfer_id: str, body: RepairBody, operator: OperatorAtWork, ask: Parts
) -> JSONResponse:
    said = await _asked(verb, transfer_id, body, operator, ask)
    if said.outcome == "preview":
        return preview_answer(transfer_id, verb, said)
    if said.outcome == "approval_pending":
        return approval_answer(transfer_id)
    return answer(transfer_object(await ask.transfers.get(transfer_id, operator.principal)))


async def _asked(
    verb: Verb, transfer_id: str, body: RepairBody, operator: OperatorAtWork, ask: Parts
) -> RepairAnswer:
    transfer = await ask.transfers.get(transfer_id, operator.principal)

    async def work(act_id: str) -> RepairAnswer:
        order = body.order(verb, operator.principal.user_id, act_id)
        return await ask.sagas.repair(transfer, order)

    if body.dry_run:
        return await work("")  # it is no act
    return await operator.does_as(verb, transfer_id, body.reason, work, lambda said: said.outcome)
