"""Names that are locks: ids, journal keys and accounts, each built by one function."""

import re
from enum import StrEnum

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")  # Crockford base 32, 128 bits


class Prefix(StrEnum):
    """What an id names; an id is ``{prefix}_{ULID}``."""

    USER = "usr"
    WALLET = "wal"
    TRANSFER = "trf"
    ENTRY = "ent"
    EVENT = "evt"
    DEPOSIT = "dep"
    WITHDRAWAL = "wdr"
    BATCH = "bat"
    ENDPOINT = "whe"
    DELIVERY = "whd"
    API_KEY = "key"
    FINDING = "fnd"


def is_id(value: str, prefix: Prefix) -> bool:
    """Whether ``value`` is a well-formed id of that kind."""
    head, _, tail = value.partition("_")
    return head == prefix and _ULID.fullmatch(tail) is not None


def journal_key(subject_id: str, leg: str) -> str:
    """The ``_id`` of the one journal document a leg can ever have.

    Made of business keys only: a retry, a duplicate delivery, a second worker and a workflow
    reset all arrive at the same key and find the first answer.
    """
    return f"{subject_id}:{leg}"


def park_key(transfer_id: str, sequence: int) -> str:
    """The ``_id`` of a mark that says the transfer was parked; a transfer may have several."""
    return f"{transfer_id}:park:{sequence}"


def transit_account(transfer_id: str) -> str:
    """Where a transfer's money lives between debit and credit; derived, never a document."""
    return f"transit:{transfer_id}"


def world_account(currency: str) -> str:
    """The counter-account of deposits and withdrawals; derived, never a document."""
    return f"world:{currency}"
