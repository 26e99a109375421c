"""Receipts: what one says, which period's tree it is in, and how anybody checks it by themselves.

Pure, and with nothing but the standard library, so that a verifier needs no more than this file,
``merkle`` and a check of Ed25519 signatures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from payflow.domain import merkle
from payflow.domain.events import GENESIS, canonical_json
from payflow.domain.representation import rfc3339

Json = dict[str, Any]
Statement = Mapping[str, Any]

VERSION = 1
DAY_S = 86_400
LATEST_GRACE_S = 60.0
LEGS = ("init", "debit", "credit", "refund", "post")  # the entries a receipt tells of, in order

# What a receipt says of the transfer: what was ordered, and how it ended. It changes no more.
_SAID = (
    "id",
    "status",
    "amount",
    "currency",
    "source_wallet_id",
    "destination_wallet_id",
    "description",
    "metadata",
    "failure",
    "refunded",
    "created_at",
    "completed_at",
)


@dataclass(frozen=True, slots=True)
class Period:
    """The time of one tree, ``start`` included and ``end`` not: a day in UTC, or a part of one."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """``2026-01-31``; with the time, ``2026-01-31T000500Z``, where it does not begin a day."""
        return name_of(self.start)

    @property
    def due_at(self) -> datetime:
        """When it is over and what was on its way has had time to come."""
        length_s = (self.end - self.start).total_seconds()
        return self.end + timedelta(seconds=min(LATEST_GRACE_S, length_s / 10))


def name_of(start: datetime) -> str:
    """The name of the period that begins then; names sort as their times do."""
    at = start.astimezone(UTC)
    midnight = (at.hour, at.minute, at.second) == (0, 0, 0)
    return at.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H%M%SZ")


def divisor_of_a_day(length_s: int) -> int:
    """The length of a period in seconds, if days can begin with one.

    Raises:
        ValueError: it does not divide a day.
    """
    if not 1 <= length_s <= DAY_S or DAY_S % length_s:
        raise ValueError(f"must divide a day, {DAY_S} seconds, such as 3600")
    return length_s


def period_of(moment: datetime, length_s: int) -> Period:
    """The period a moment lies in; ``length_s`` divides a day, so that days begin at midnight."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    length = timedelta(seconds=length_s)
    start = midnight + (moment - midnight) // length * length
    return Period(start, start + length)


def period_after(end: datetime, length_s: int) -> Period:
    """The period that follows one that ended then, also if the length was another one."""
    return Period(end, period_of(end, length_s).end)


def entry_said(key: str, leg: str, fields: Statement) -> Json:
    """A journal entry as a receipt tells of it.

    ``digest`` is SHA-256 over the canonical JSON (RFC 8785) of ``key``, ``leg``, ``outcome``,
    ``code``, ``currency``, ``postings`` and ``at``. Balances are not in it: who holds a receipt
    could try out which balance of somebody else's gives the digest.
    """
    at = rfc3339(fields["created_at"])
    postings = [
        {"account": one["account"], "amount": int(one["amount"])} for one in fields["postings"]
    ]
    digested = {
        "key": key,
        "leg": leg,
        "outcome": fields.get("outcome"),
        "code": fields.get("code"),
        "currency": fields.get("currency"),
        "postings": postings,
        "at": at,
    }
    return {
        "key": key,
        "outcome": digested["outcome"],
        "at": at,
        "digest": sha256(canonical_json(digested)).hexdigest(),
    }


def facts_of(transfer: Statement, entries: Sequence[Json]) -> Json:
    """What a receipt vouches for: the transfer as it ended, and its entries in order."""
    return {
        "transfer": {name: transfer[name] for name in _SAID},
        "entries": sorted(entries, key=lambda one: LEGS.index(one["key"].rpartition(":")[2])),
    }


def leaf_of(facts: Statement) -> bytes:
    """The leaf of a transfer: over the canonical JSON of ``transfer`` and ``entries`` alone."""
    said = {"transfer": facts["transfer"], "entries": facts["entries"]}
    return merkle.leaf(canonical_json(said))


def root_said(
    period: Period, positions: tuple[int, int], leaves: int, top: bytes, previous: Statement | None
) -> Json:
    """What is signed of a period's tree; ``positions``: after which, and through which, it goes."""
    after, through = positions
    return {
        "object": "receipt_root",
        "version": VERSION,
        "date": period.name,
        "starts_at": rfc3339(period.start),
        "ends_at": rfc3339(period.end),
        "after_position": after,
        "through_position": through,
        "leaves": leaves,
        "root": top.hex(),
        "previous_hash": previous["hash"] if previous else GENESIS,
    }


def receipt_said(facts: Statement, inclusion: Json | None, available_after: str | None) -> Json:
    """What is signed of a receipt; without an inclusion it says when there will be one."""
    return {
        "object": "receipt",
        "version": VERSION,
        **facts,
        "inclusion": inclusion,
        "available_after": available_after,
    }


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was checked, in plain words."""

    holds: bool
    words: str


def examine(
    receipt: object, signed: Callable[[Statement], bool], published: object = None
) -> list[Checked]:
    """Check everything a receipt claims; it holds when every line does.

    Args:
        receipt: the parsed JSON, whatever it is.
        signed: whether a statement's ``hash`` and ``signature`` are right under a trusted key.
        published: the root as somebody else got it, to compare with.
    """
    if not isinstance(receipt, dict) or receipt.get("object") != "receipt":
        return [Checked(False, "This is no receipt.")]
    if receipt.get("version") != VERSION:
        return [Checked(False, f"It is of a version this program does not know ({VERSION}).")]
    try:
        return _examined(receipt, signed, published)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        return [Checked(False, "It is damaged: parts of a receipt are missing or of another kind.")]


def _examined(
    receipt: Json, signed: Callable[[Statement], bool], published: object
) -> list[Checked]:
    transfer, inclusion = receipt["transfer"], receipt["inclusion"]
    about = f"{transfer['id']}, {transfer['status']}"
    found = [
        Checked(True, f"The receipt of {about}, is signed by key {receipt['key_id']}.")
        if signed(receipt)
        else Checked(False, f"The receipt of {about}, is NOT as one of these keys signed it.")
    ]
    if inclusion is None:
        if published is not None:
            return [*found, Checked(False, "It names no root to compare with the published one.")]
        words = f"It is in no root yet: fetch it again after {receipt['available_after']}."
        return [*found, Checked(True, words)]
    top = inclusion["root"]
    return [
        *found,
        _root_checked(top, signed),
        _leaf_checked(receipt, inclusion),
        *_same(top, published),
    ]


def _root_checked(top: Json, signed: Callable[[Statement], bool]) -> Checked:
    date = top["date"]
    if top["object"] != "receipt_root" or not signed(top):
        return Checked(False, f"The root of {date} is NOT as one of these keys signed it.")
    return Checked(
        True, f"The root of {date}, over {top['leaves']} transfers, is signed by {top['key_id']}."
    )


def _leaf_checked(receipt: Json, inclusion: Json) -> Checked:
    top = inclusion["root"]
    index, proof = inclusion["index"], [bytes.fromhex(one) for one in inclusion["path"]]
    holds = merkle.included(
        leaf_of(receipt), index, top["leaves"], proof, bytes.fromhex(top["root"])
    )
    where = f"number {index} of {top['leaves']} in the root of {top['date']}"
    if holds:
        return Checked(True, f"The transfer and its entries are {where}: none can be altered.")
    return Checked(False, f"The transfer and its entries are NOT {where}.")


def _same(top: Json, published: object) -> list[Checked]:
    if published is None:
        return []
    if canonical_json({"root": published}) == canonical_json({"root": top}):  # True is not 1
        return [Checked(True, "It is the root that was published.")]
    return [Checked(False, "It is NOT the root that was published.")]
