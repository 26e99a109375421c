"""Documents held against what their entries say: which fields may change, and with what."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from payflow.domain.representation import rfc3339

Fields = Mapping[str, Any]

# What a step or a mark changes of a transfer, what a batch's end changes, and what changes of a
# wallet without an entry: how it is locked, and its name, which is a label of its owner's.
# Everything else is written once.
TRANSFER_STATE = frozenset(
    {
        "status",
        "sequence",
        "updated_at",
        "needs_attention",
        "failure",
        "refunded",
        "completed_at",
    }
)
BATCH_STATE = frozenset({"status", "completed", "failed", "completed_at", "cancelled"})
BATCH_ORDER = ("owner_id", "mode", "total")
WALLET_STATE = frozenset({"status", "contended", "reserved_by", "name"})
WALLET_FIXED = ("owner_id", "created_at")

_SAME_NAMES = (
    "status",
    "amount",
    "currency",
    "source_wallet_id",
    "destination_wallet_id",
    "description",
    "metadata",
    "refunded",
    "needs_attention",
    "workflow_id",
)
_TIMES = ("created_at", "updated_at", "completed_at")
_PRIVATE = frozenset({"description", "metadata"})  # anyone may read a proof


def fixed_names(names: Iterable[str], state: frozenset[str]) -> list[str]:
    """Those of the names (or paths, as a change stream has them) that no update may set."""
    return [name for name in names if name.partition(".")[0] not in state]


def differing_names(transfer: Fields, said: Fields) -> list[str]:
    """The fields, of those the transfer's document has, that its event's object has otherwise."""
    differing = [
        name for name in _SAME_NAMES if name in transfer and transfer[name] != said.get(name)
    ]
    for name in _TIMES:
        if name in transfer and _time(transfer[name]) != said.get(name):
            differing.append(name)
    if "failure" in transfer and _code(transfer["failure"]) != _code(said.get("failure")):
        differing.append("failure")
    return differing


def in_words(fields: Fields) -> str:
    """Fields as a finding tells of them; what users wrote is not in a public document."""
    return ", ".join(
        f"{name} changed" if name.partition(".")[0] in _PRIVATE else f"{name} {value}"
        for name, value in fields.items()
    )


def _time(value: object) -> object:
    return rfc3339(value) if isinstance(value, datetime) else value


def _code(failure: object) -> object:
    return failure.get("code") if isinstance(failure, Mapping) else failure
