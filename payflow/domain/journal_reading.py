"""Journal documents as the proof reads them: all there and of the right types, or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from payflow.domain.events import canonical_json
from payflow.domain.ledger import Outcome

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal document, read: all there, and of the right types."""

    key: str
    leg: str
    outcome: str | None
    transfer_id: str | None
    wallet_id: str | None
    wallet_sequence: int
    balance_after: int
    currency: str | None
    postings: tuple[tuple[str, int], ...]
    event: Fields
    at: datetime

    @property
    def said(self) -> Fields:
        """What its event says of the thing it is about."""
        said: Fields = self.event["data"]
        return said


def read_entry(fields: Fields) -> Entry:
    """A journal document.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it lacks something, or has a wrong type.
    """
    event = fields["event"]
    if not (event["id"] and event["type"] and fields["entry_id"]):
        raise ValueError("no event or no entry id")
    postings = tuple((str(one["account"]), whole(one["amount"])) for one in fields["postings"])
    wallet_id = fields.get("wallet_id")
    touched = {account for account, _ in postings if account.startswith("wal_")}
    if touched != ({wallet_id} if wallet_id and postings else set()):
        raise ValueError(f"it posts to {sorted(touched)} and names {wallet_id}")
    if fields.get("outcome") not in (None, *Outcome):
        raise ValueError(f"outcome {fields['outcome']!r}")
    canonical_json(event)
    if fields.get("transfer_id"):
        whole(event["sequence"])
        whole(event["data"]["amount"])
    return Entry(
        key=str(fields["_id"]),
        leg=str(fields["leg"]),
        outcome=fields.get("outcome"),
        transfer_id=fields.get("transfer_id"),
        wallet_id=wallet_id,
        wallet_sequence=whole(fields["wallet_sequence"]) if wallet_id else 0,
        balance_after=whole(fields["balance_after"]) if wallet_id else 0,
        currency=fields.get("currency"),
        postings=postings,
        event=event,
        at=fields["created_at"],
    )


def whole(value: object) -> int:
    """A number of minor units.

    Raises:
        TypeError: it is no integer.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no integer")
    return int(value)


def digest_of(event: Fields) -> str:
    """SHA-256, hexadecimal, of an event's canonical form."""
    return sha256(canonical_json(event)).hexdigest()
