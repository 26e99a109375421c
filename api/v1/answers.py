"""Domain values to JSON, built by hand for speed, and the same shapes for the documentation."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from api.v1 import examples
from payflow.auth.sessions import TokenPair
from payflow.domain.batches import Batch
from payflow.domain.movements import Movement
from payflow.domain.ports import WalletEntry
from payflow.domain.representation import rfc3339, transfer_object
from payflow.domain.simulation import Simulation
from payflow.domain.transfers import Transfer
from payflow.domain.users import User
from payflow.domain.wallets import Wallet

T = TypeVar("T")


def _example(value: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class UserAnswer(BaseModel):
    """A user."""

    model_config = _example(examples.USER_ANSWER)

    object: Literal["user"]
    id: str
    email: str
    name: str
    phone: str | None
    role: Literal["user", "operator"]
    created_at: str


class WalletAnswer(BaseModel):
    """A wallet; `available` is `balance` without what is `held`."""

    model_config = _example(examples.WALLET_ANSWER)

    object: Literal["wallet"]
    id: str
    owner_id: str
    name: str | None
    currency: str
    balance: int
    held: int
    available: int
    status: Literal["active", "frozen", "closed"]
    created_at: str


class TokensAnswer(BaseModel):
    """A session: the access token for now, the refresh token for later."""

    model_config = _example(examples.TOKENS_ANSWER)

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class RegistrationAnswer(BaseModel):
    """A new user with a first wallet, signed in."""

    model_config = _example(
        {
            "user": examples.USER_ANSWER,
            "wallet": {**examples.WALLET_ANSWER, "balance": 0, "available": 0},
            "tokens": examples.TOKENS_ANSWER,
        }
    )

    user: UserAnswer
    wallet: WalletAnswer
    tokens: TokensAnswer


class MovementAnswer(BaseModel):
    """A deposit or a withdrawal, done."""

    model_config = _example(examples.MOVEMENT_ANSWER)

    object: Literal["deposit", "withdrawal"]
    id: str
    wallet_id: str
    amount: int
    currency: str
    reference: str | None
    balance_after: int
    created_at: str


class EntryAnswer(BaseModel):
    """A line of a wallet's statement; `amount` is signed."""

    model_config = _example(examples.ENTRY_ANSWER)

    object: Literal["entry"]
    id: str
    wallet_id: str
    sequence: int
    kind: str
    amount: int
    currency: str
    balance_after: int
    transfer_id: str | None
    movement_id: str | None
    created_at: str


class FailureAnswer(BaseModel):
    """Why a transfer failed."""

    code: str
    message: str


class TransferAnswer(BaseModel):
    """A transfer."""

    model_config = _example(examples.TRANSFER_ANSWER)

    object: Literal["transfer"]
    id: str
    status: Literal["initiated", "debited", "credited", "completed", "refunding", "failed"]
    amount: int
    currency: str
    source_wallet_id: str
    destination_wallet_id: str
    description: str | None
    metadata: dict[str, str]
    failure: FailureAnswer | None
    refunded: bool
    needs_attention: bool
    workflow_id: str
    created_at: str
    updated_at: str
    completed_at: str | None


class CountsAnswer(BaseModel):
    """How many items there are, and how they stand."""

    total: int
    completed: int
    failed: int
    pending: int


class BatchAnswer(BaseModel):
    """A batch; `failed` is an atomic one that posted nothing."""

    model_config = _example(examples.BATCH_ANSWER)

    object: Literal["batch"]
    id: str
    mode: Literal["independent", "stop_on_error", "atomic"]
    status: Literal["processing", "completed", "failed"]
    counts: CountsAnswer
    created_at: str
    completed_at: str | None


class ItemAnswer(BaseModel):
    """An item of a batch: which one, counted from 0, and its transfer."""

    model_config = _example(examples.ITEM_ANSWER)

    index: int
    transfer: TransferAnswer


class EventAnswer(BaseModel):
    """An event; `data` is what it is about, as it stood then. `sequence` counts per transfer."""

    model_config = _example(examples.EVENT_ANSWER)

    id: str
    type: str
    created_at: str
    sequence: int
    data: dict[str, Any]
    position: int


class SimulationAnswer(BaseModel):
    """The fault rules in force."""

    model_config = _example({"object": "simulation", **examples.SIMULATION})

    object: Literal["simulation"]
    enabled: bool
    rules: list[dict[str, Any]]


class ListAnswer(BaseModel, Generic[T]):
    """A page of a list."""

    object: Literal["list"]
    data: list[T]
    has_more: bool
    next_cursor: str | None


def answer(
    content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The content as JSON."""
    return JSONResponse(content, status, headers)


def user_object(user: User) -> dict[str, Any]:
    """A user as the contract spells it."""
    return {
        "object": "user",
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "phone": user.phone,
        "role": user.role.value,
        "created_at": rfc3339(user.created_at),
    }


def wallet_object(wallet: Wallet) -> dict[str, Any]:
    """A wallet as the contract spells it."""
    return {
        "object": "wallet",
        "id": wallet.id,
        "owner_id": wallet.owner_id,
        "name": wallet.name,
        "currency": wallet.currency,
        "balance": wallet.balance,
        "held": wallet.held,
        "available": wallet.available,
        "status": wallet.status.value,
        "created_at": rfc3339(wallet.created_at),
    }


def tokens_object(tokens: TokenPair) -> dict[str, Any]:
    """A session's tokens as the contract spells them."""
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in_s,
    }


def movement_object(movement: Movement) -> dict[str, Any]:
    """A deposit or withdrawal, as in its event."""
    return {
        "object": movement.kind.value,
        "id": movement.id,
        "wallet_id": movement.wallet_id,
        "amount": movement.money.amount_minor,
        "currency": movement.money.currency,
        "reference": movement.reference,
        "balance_after": movement.balance_after,
        "created_at": rfc3339(movement.created_at),
    }


def entry_object(entry: WalletEntry) -> dict[str, Any]:
    """A line of a statement as the contract spells it."""
    return {
        "object": "entry",
        "id": entry.id,
        "wallet_id": entry.wallet_id,
        "sequence": entry.wallet_sequence,
        "kind": entry.kind,
        "amount": entry.amount,
        "currency": entry.currency,
        "balance_after": entry.balance_after,
        "transfer_id": entry.transfer_id,
        "movement_id": entry.movement_id,
        "created_at": rfc3339(entry.created_at),
    }


def batch_object(batch: Batch) -> dict[str, Any]:
    """A batch as the contract spells it."""
    return {
        "object": "batch",
        "id": batch.id,
        "mode": batch.mode.value,
        "status": batch.status.value,
        "counts": {
            "total": batch.counts.total,
            "completed": batch.counts.completed,
            "failed": batch.counts.failed,
            "pending": batch.counts.pending,
        },
        "created_at": rfc3339(batch.created_at),
        "completed_at": rfc3339(batch.completed_at) if batch.completed_at else None,
    }


def item_object(transfer: Transfer) -> dict[str, Any]:
    """An item of a batch as the contract spells it."""
    index = transfer.place.index if transfer.place else 0
    return {"index": index, "transfer": transfer_object(transfer)}


def simulation_object(simulation: Simulation) -> dict[str, Any]:
    """The fault rules as the contract spells them."""
    return {
        "object": "simulation",
        "enabled": simulation.enabled,
        "rules": [
            {
                "step": rule.step.value,
                "failure_type": rule.failure_type.value,
                "phase": rule.phase.value,
                "failure_rate": rule.failure_rate,
                "transfer_ids": list(rule.transfer_ids),
            }
            for rule in simulation.rules
        ],
    }
