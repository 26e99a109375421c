"""Documents to domain values and back, in one place each.

The driver reads 64-bit numbers as its own kind of integer; the domain wants plain ones.
"""

from collections.abc import Mapping
from typing import Any

from payflow.domain.batches import BatchMode, BatchPlace
from payflow.domain.events import transfer_audience
from payflow.domain.identifiers import journal_key
from payflow.domain.ledger import JournalEntry, Leg, Outcome, StepAnswer
from payflow.domain.money import Money
from payflow.domain.movements import Movement, MovementKind
from payflow.domain.ports import IdempotencyClaim, Origin, WalletEntry
from payflow.domain.representation import rfc3339, transfer_object
from payflow.domain.transfers import FailureCode, Transfer, TransferStatus
from payflow.domain.wallets import Wallet, WalletStatus
from payflow.storage.documents import JournalDocument, TransferDocument, WalletDocument
from payflow.storage.reading import read_from
from payflow.storage.user_keys import from_pairs, stored_data, to_pairs

Fields = Mapping[str, Any]

ANSWERED = ("leg", "outcome", "code")  # what of a journal document an answer is made of


@read_from(WalletDocument)
def to_wallet(fields: Fields) -> Wallet:
    """A ``wallets`` document as the domain knows it."""
    return Wallet(
        id=fields["_id"],
        owner_id=fields["owner_id"],
        currency=fields["currency"],
        created_at=fields["created_at"],
        name=fields.get("name"),
        balance=int(fields["balance"]),
        held=int(fields["held"]),
        status=WalletStatus(fields["status"]),
        sequence=int(fields["sequence"]),
    )


def from_wallet(wallet: Wallet) -> dict[str, Any]:
    """A wallet as its document."""
    return {
        "_id": wallet.id,
        "owner_id": wallet.owner_id,
        "currency": wallet.currency,
        "name": wallet.name,
        "balance": wallet.balance,
        "held": wallet.held,
        "status": wallet.status.value,
        "sequence": wallet.sequence,
        "created_at": wallet.created_at,
    }


@read_from(TransferDocument)
def to_transfer(fields: Fields) -> Transfer:
    """A ``transfers`` document as the domain knows it."""
    failure = fields.get("failure")
    return Transfer(
        id=fields["_id"],
        money=Money(int(fields["amount"]), fields["currency"]),
        source_wallet_id=fields["source_wallet_id"],
        destination_wallet_id=fields["destination_wallet_id"],
        payer_id=fields["payer_id"],
        payee_id=fields["payee_id"],
        workflow_id=fields["workflow_id"],
        created_at=fields["created_at"],
        updated_at=fields["updated_at"],
        status=TransferStatus(fields["status"]),
        sequence=int(fields["sequence"]),
        description=fields.get("description"),
        metadata=from_pairs(fields["metadata"]),
        failure=FailureCode(failure["code"]) if failure else None,
        refunded=fields["refunded"],
        needs_attention=fields["needs_attention"],
        completed_at=fields.get("completed_at"),
        place=_to_place(fields),
    )


def _to_place(fields: Fields) -> BatchPlace | None:
    batch_id = fields.get("batch_id")
    if batch_id is None:
        return None
    return BatchPlace(batch_id, int(fields["batch_index"]), BatchMode(fields["batch_mode"]))


def _from_place(place: BatchPlace | None) -> dict[str, Any]:
    if place is None:
        return {}
    return {
        "batch_id": place.batch_id,
        "batch_index": place.index,
        "batch_mode": place.mode.value,
    }


def from_transfer(transfer: Transfer) -> dict[str, Any]:
    """A new transfer as its document."""
    return {
        "_id": transfer.id,
        "amount": transfer.money.amount_minor,
        "currency": transfer.money.currency,
        "source_wallet_id": transfer.source_wallet_id,
        "destination_wallet_id": transfer.destination_wallet_id,
        "payer_id": transfer.payer_id,
        "payee_id": transfer.payee_id,
        "party_ids": sorted({transfer.payer_id, transfer.payee_id}),
        "wallet_ids": [transfer.source_wallet_id, transfer.destination_wallet_id],
        "description": transfer.description,
        "metadata": to_pairs(transfer.metadata),
        "workflow_id": transfer.workflow_id,
        "created_at": transfer.created_at,
        **_from_place(transfer.place),
        **transfer_state(transfer),
    }


def transfer_state(transfer: Transfer) -> dict[str, Any]:
    """The fields of a transfer that its moves change."""
    failure = transfer.failure
    return {
        "status": transfer.status.value,
        "sequence": transfer.sequence,
        "updated_at": transfer.updated_at,
        "needs_attention": transfer.needs_attention,
        "failure": {"code": failure.value, "message": failure.message} if failure else None,
        "refunded": transfer.refunded,
        "completed_at": transfer.completed_at,
    }


@read_from(JournalDocument, *ANSWERED)
def to_answer(fields: Fields) -> StepAnswer:
    """What a leg's journal document answers."""
    code = fields.get("code")
    return StepAnswer(
        Leg(fields["leg"]), Outcome(fields["outcome"]), FailureCode(code) if code else None
    )


def transfer_event(event_id: str, event_type: str, transfer: Transfer) -> dict[str, Any]:
    """The event a journal document of this transfer carries, and beside it who may see it."""
    return {
        "event": {
            "id": event_id,
            "type": event_type,
            "sequence": transfer.sequence,
            "created_at": rfc3339(transfer.updated_at),
            "data": stored_data(transfer_object(transfer)),
        },
        "audience": transfer_audience(transfer),
    }


def from_acceptance(
    transfer: Transfer, *, entry_id: str, event_id: str, request_id: str | None
) -> dict[str, Any]:
    """An accepted transfer as its ``:init`` document; the idempotency claim is added to it."""
    return {
        "_id": journal_key(transfer.id, "init"),
        "leg": "init",
        "transfer_id": transfer.id,
        "currency": transfer.money.currency,
        "postings": [],
        "entry_id": entry_id,
        **transfer_event(event_id, "transfer.initiated", transfer),
        # what the event does not say, for the proof to hold the transfer against
        "order": {
            "payer_id": transfer.payer_id,
            "payee_id": transfer.payee_id,
            **_from_place(transfer.place),
        },
        "request_id": request_id,
        "created_at": transfer.created_at,
    }


def from_entry(
    entry: JournalEntry,
    *,
    entry_id: str,
    event_id: str,
    origin: Origin,
    traceparent: str | None = None,
) -> dict[str, Any]:
    """A decided leg as the one document that is its record, its ledger entry and its event."""
    transfer = entry.transfer
    document: dict[str, Any] = {
        "_id": entry.key,
        "leg": entry.leg.value,
        "outcome": entry.answer.outcome.value,
        "transfer_id": transfer.id,
        "currency": transfer.money.currency,
        "postings": [{"account": p.account, "amount": p.amount} for p in entry.postings],
        "entry_id": entry_id,
        **transfer_event(event_id, f"transfer.{transfer.status}", transfer),
        "origin": origin_fields(origin),
        "created_at": transfer.updated_at,
    }
    if entry.answer.code is not None:
        document["code"] = entry.answer.code.value
    if entry.change is not None:
        document["wallet_id"] = entry.change.wallet_id
        document["wallet_sequence"] = entry.change.wallet_sequence
        document["balance_after"] = entry.change.balance_after
    if traceparent is not None:
        document["traceparent"] = traceparent
    if entry.tombstone is not None:
        document["note"] = {"actor": entry.tombstone.actor, "reason": entry.tombstone.reason}
    if entry.outside is not None:
        document["note"] = {
            "actor": entry.outside.proposed_by,
            "approved_by": entry.outside.approved_by,
            "reason": entry.outside.reason,
            "evidence": entry.outside.evidence,
        }
    return document


def from_movement(
    movement: Movement,
    wallet: Wallet,
    claim: IdempotencyClaim,
    *,
    entry_id: str,
    event_id: str,
) -> dict[str, Any]:
    """A deposit or withdrawal as its one journal document; ``wallet`` as it stands after it."""
    event_type = "wallet.deposited" if movement.signed_amount > 0 else "wallet.withdrawn"
    return {
        "_id": movement.key,
        "leg": movement.kind.value,
        "outcome": Outcome.APPLIED.value,
        "movement_id": movement.id,
        "currency": movement.money.currency,
        "postings": [{"account": p.account, "amount": p.amount} for p in movement.postings],
        "wallet_id": wallet.id,
        "wallet_sequence": wallet.sequence,
        "balance_after": wallet.balance,
        "entry_id": entry_id,
        "event": {
            "id": event_id,
            "type": event_type,
            "sequence": 1,
            "created_at": rfc3339(movement.created_at),
            "data": {
                "object": movement.kind.value,
                "id": movement.id,
                "wallet_id": wallet.id,
                "owner_id": wallet.owner_id,
                "amount": movement.money.amount_minor,
                "currency": movement.money.currency,
                "reference": movement.reference,
                "balance_after": wallet.balance,
                "created_at": rfc3339(movement.created_at),
            },
        },
        "audience": [wallet.owner_id],
        "idempotency": claim_fields(claim),
        "reference": movement.reference,
        "created_at": movement.created_at,
    }


@read_from(JournalDocument)
def to_movement(fields: Fields) -> Movement:
    """A deposit's or withdrawal's journal document as the domain knows it."""
    amount = next(p["amount"] for p in fields["postings"] if p["account"] == fields["wallet_id"])
    return Movement(
        id=fields["movement_id"],
        kind=MovementKind(fields["leg"]),
        wallet_id=fields["wallet_id"],
        money=Money(int(abs(amount)), fields["currency"]),
        created_at=fields["created_at"],
        reference=fields.get("reference"),
        balance_after=int(fields["balance_after"]),
    )


@read_from(JournalDocument)
def to_wallet_entry(fields: Fields) -> WalletEntry:
    """A journal document as a line of the statement of the wallet it touched."""
    amount = next(p["amount"] for p in fields["postings"] if p["account"] == fields["wallet_id"])
    return WalletEntry(
        id=fields["entry_id"],
        wallet_id=fields["wallet_id"],
        wallet_sequence=int(fields["wallet_sequence"]),
        kind=fields["leg"],
        amount=int(amount),
        currency=fields["currency"],
        balance_after=int(fields["balance_after"]),
        transfer_id=fields.get("transfer_id"),
        movement_id=fields.get("movement_id"),
        created_at=fields["created_at"],
    )


def claim_fields(claim: IdempotencyClaim) -> dict[str, str]:
    """An idempotency claim as the journal keeps it."""
    return {"user_id": claim.user_id, "key": claim.key, "request_hash": claim.request_hash}


def origin_fields(origin: Origin) -> dict[str, Any]:
    """Which execution wrote a document."""
    return {
        "workflow_id": origin.workflow_id,
        "run_id": origin.run_id,
        "activity_id": origin.activity_id,
        "attempt": origin.attempt,
    }
