"""Events: which there are, who may see one, and the chain that seals their order."""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any

from payflow.domain.transfers import Transfer, TransferStatus

GENESIS = "0" * 64  # what the first event of a feed has for ``previous_hash``


class EventType(StrEnum):
    """What can happen, as readers and subscribers filter by it."""

    TRANSFER_INITIATED = "transfer.initiated"
    TRANSFER_DEBITED = "transfer.debited"
    TRANSFER_CREDITED = "transfer.credited"
    TRANSFER_COMPLETED = "transfer.completed"
    TRANSFER_REFUNDING = "transfer.refunding"
    TRANSFER_FAILED = "transfer.failed"
    TRANSFER_NEEDS_ATTENTION = "transfer.needs_attention"
    WALLET_DEPOSITED = "wallet.deposited"
    WALLET_WITHDRAWN = "wallet.withdrawn"
    BATCH_ACCEPTED = "batch.accepted"
    ENDPOINT_TEST = "endpoint.test"
    ENDPOINT_DISABLED = "endpoint.disabled"
    PROOF_VIOLATED = "proof.violated"


TERMINAL_TYPES = frozenset({EventType.TRANSFER_COMPLETED, EventType.TRANSFER_FAILED})


def transfer_audience(transfer: Transfer) -> list[str]:
    """Who may see the event of a transfer that stands so.

    The payee hears of it from ``debited`` on: what was never debited (an order, its refusal, a
    voided debit) is between the payer and us.
    """
    never_debited = transfer.status is TransferStatus.INITIATED or (
        transfer.status is TransferStatus.FAILED and not transfer.refunded
    )
    payer_id, payee_id = transfer.payer_id, transfer.payee_id
    return [payer_id] if never_debited else sorted({payer_id, payee_id})


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """The one JSON text of a document (RFC 8785), for hashing.

    For what we keep: strings, integers below 2^53, booleans, null, lists and objects.
    """
    text = _dumps(document, sort_keys=True)
    if not text.isascii() and max(text) > "\uffff":
        # RFC 8785 §3.2.3 sorts names by UTF-16 units; Python by code points. Seldom another order.
        text = _dumps(_sorted_by_utf16(document), sort_keys=False)
    return text.encode()


def chain_hash(document: Mapping[str, Any]) -> str:
    """SHA-256, hexadecimal, over a feed document without its own ``hash``.

    ``previous_hash`` is part of the document, so each hash seals everything before it.
    """
    sealed = {name: value for name, value in document.items() if name != "hash"}
    return sha256(canonical_json(sealed)).hexdigest()


def first_broken_link(documents: Iterable[Mapping[str, Any]], previous_hash: str) -> int | None:
    """The position of the first feed document that is not what its chain says, or None.

    ``documents`` are in order of position; ``previous_hash`` is that of the one before them.
    """
    for document in documents:
        if document["previous_hash"] != previous_hash or chain_hash(document) != document["hash"]:
            return int(document["_id"])
        previous_hash = document["hash"]
    return None


def _dumps(value: object, *, sort_keys: bool) -> str:
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys, allow_nan=False
    )


def _sorted_by_utf16(value: object) -> object:
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return {name: _sorted_by_utf16(value[name]) for name in names}
    if isinstance(value, list):
        return [_sorted_by_utf16(one) for one in value]
    return value
