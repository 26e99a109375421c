"""Money in from the world and out to it: deposits and withdrawals."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import JSONResponse

from api.acts import MovingMoney, OperatorAtWork
from api.idempotency import PARAMETER, Claim
from api.json_body import JsonRoute
from api.parts import Ask, Parts
from api.problems import BODY, KEYED, OPERATOR, documented
from api.v1.answers import MovementAnswer, answer, movement_object
from api.v1.fields import WalletId
from api.v1.schemas import NewMovement
from payflow.domain.movements import MovementKind
from payflow.domain.ports import IdempotencyClaim, MovementOrder

router = APIRouter(prefix="/v1/wallets", tags=["wallets"], route_class=JsonRoute)

_MOVEMENT = (
    *OPERATOR,
    *BODY,
    *KEYED,
    "wallet_not_found",
    "wallet_frozen",
    "wallet_closed",
    "currency_mismatch",
)


@router.post(
    "/{wallet_id}/deposits",
    status_code=201,
    response_model=MovementAnswer,
    summary="Deposit into a wallet",
    responses=documented(*_MOVEMENT, "balance_limit_exceeded"),
    openapi_extra={"parameters": [PARAMETER]},
)
async def deposit(
    wallet_id: WalletId, body: NewMovement, mover: MovingMoney, claim: Claim, ask: Ask
) -> JSONResponse:
    """Bring money in, at once. Operators; in dev and test the owner too."""
    return await _move(ask, body.order(MovementKind.DEPOSIT, wallet_id), claim, mover, body.reason)


@router.post(
    "/{wallet_id}/withdrawals",
    status_code=201,
    response_model=MovementAnswer,
    summary="Withdraw from a wallet",
    responses=documented(*_MOVEMENT, "insufficient_funds"),
    openapi_extra={"parameters": [PARAMETER]},
)
async def withdraw(
    wallet_id: WalletId, body: NewMovement, mover: MovingMoney, claim: Claim, ask: Ask
) -> JSONResponse:
    """Take money out, at once. Operators; in dev and test the owner too."""
    return await _move(
        ask, body.order(MovementKind.WITHDRAWAL, wallet_id), claim, mover, body.reason
    )


async def _move(
    ask: Parts,
    order: MovementOrder,
    claim: IdempotencyClaim,
    mover: OperatorAtWork,
    reason: str | None,
) -> JSONResponse:
    work = partial(ask.wallets.move, order, claim, mover.principal)
    written = await mover.writes(order.kind.value, order.wallet_id, reason, work)
    headers = {"Idempotent-Replayed": "true"} if written.replayed else None
    return answer(movement_object(written.thing), 201, headers)
