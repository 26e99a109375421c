"""What a receipt and a root say, field by field, and what their check tells a reader."""

from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest

from payflow.domain import merkle
from payflow.domain.events import GENESIS, canonical_json
from payflow.domain.receipts import (
    Period,
    divisor_of_a_day,
    entry_said,
    examine,
    facts_of,
    leaf_of,
    name_of,
    period_of,
    receipt_said,
    root_said,
)
from payflow.domain.representation import transfer_object
from tests.fakes import START, transfer

Json = dict[str, Any]

POSTINGS = [
    {"account": "wal_ALICE", "amount": -100, "note": "not told"},
    {"account": "transit:trf_1", "amount": 100},
]
FIELDS = {
    "created_at": START,
    "outcome": "refused",
    "code": "wallet_frozen",
    "currency": "USD",
    "postings": POSTINGS,
    "balance_after": 900,
}


def test_an_entry_is_told_by_its_answer_and_a_digest_of_the_rest() -> None:
    digested = {
        "key": "trf_1:debit",
        "leg": "debit",
        "outcome": "refused",
        "code": "wallet_frozen",
        "currency": "USD",
        "postings": [
            {"account": "wal_ALICE", "amount": -100},
            {"account": "transit:trf_1", "amount": 100},
        ],
        "at": "2026-01-01T00:00:00.000Z",
    }
    assert entry_said("trf_1:debit", "debit", FIELDS) == {
        "key": "trf_1:debit",
        "outcome": "refused",
        "at": "2026-01-01T00:00:00.000Z",
        "digest": sha256(canonical_json(digested)).hexdigest(),
    }


def test_an_entry_that_answers_nothing_is_digested_with_nulls() -> None:
    at = "2026-01-01T00:00:00.000Z"
    digested: Json = {"key": "trf_1:init", "leg": "init", "at": at, "postings": []}
    digested |= {"outcome": None, "code": None, "currency": None}
    told = entry_said("trf_1:init", "init", {"created_at": START, "postings": []})
    assert told["digest"] == sha256(canonical_json(digested)).hexdigest()
    assert told["outcome"] is None


def test_a_receipt_vouches_for_what_was_ordered_and_how_it_ended() -> None:
    whole = transfer_object(transfer())
    entries = [{"key": f"trf_1:{leg}"} for leg in ("post", "refund", "credit", "init", "debit")]
    told = facts_of(whole, entries)
    left_out = {"object", "updated_at", "workflow_id", "needs_attention"}
    assert told["transfer"] == {n: whole[n] for n in whole if n not in left_out}
    legs = [one["key"].removeprefix("trf_1:") for one in told["entries"]]
    assert legs == ["init", "debit", "credit", "refund", "post"]


def test_a_leaf_is_over_transfer_and_entries_alone() -> None:
    facts = {"transfer": {"id": "trf_1"}, "entries": [{"key": "trf_1:init"}]}
    assert leaf_of({**facts, "inclusion": None}) == merkle.leaf(canonical_json(facts))


DAY = Period(START, START + timedelta(days=1))


@pytest.mark.parametrize(("previous", "sealed"), [(None, GENESIS), ({"hash": "ab"}, "ab")])
def test_a_root_field_by_field(previous: Json | None, sealed: str) -> None:
    assert root_said(DAY, (3, 9), 5, bytes(range(32)), previous) == {
        "object": "receipt_root",
        "version": 1,
        "date": "2026-01-01",
        "starts_at": "2026-01-01T00:00:00.000Z",
        "ends_at": "2026-01-02T00:00:00.000Z",
        "after_position": 3,
        "through_position": 9,
        "leaves": 5,
        "root": bytes(range(32)).hex(),
        "previous_hash": sealed,
    }


def test_a_receipt_field_by_field() -> None:
    facts = {"transfer": {"id": "trf_1"}, "entries": []}
    assert receipt_said(facts, {"index": 0}, "2026-01-02T00:01:00.000Z") == {
        "object": "receipt",
        "version": 1,
        "transfer": {"id": "trf_1"},
        "entries": [],
        "inclusion": {"index": 0},
        "available_after": "2026-01-02T00:01:00.000Z",
    }


@pytest.mark.parametrize(
    ("after", "name"),
    [
        (timedelta(0), "2026-01-01"),
        (timedelta(seconds=5), "2026-01-01T000005Z"),
        (timedelta(minutes=5), "2026-01-01T000500Z"),
        (timedelta(hours=5), "2026-01-01T050000Z"),
        (timedelta(days=30), "2026-01-31"),
    ],
)
def test_a_period_is_named_by_when_it_begins_in_utc(after: timedelta, name: str) -> None:
    assert name_of(START + after) == name
    assert name_of((START + after).astimezone(timezone(timedelta(hours=9)))) == name
    assert Period(START + after, START + timedelta(days=40)).name == name


@pytest.mark.parametrize(
    ("length_s", "grace_s"), [(10, 1), (300, 30), (600, 60), (720, 60), (86_400, 60)]
)
def test_a_period_is_due_a_tenth_of_it_or_a_minute_after_its_end(
    length_s: int, grace_s: int
) -> None:
    period = period_of(START, length_s)
    assert period.due_at - period.end == timedelta(seconds=grace_s)


def test_a_moment_anywhere_lies_in_a_period_of_a_day_in_utc() -> None:
    tokyo = datetime(2026, 1, 2, 8, 59, 59, 999_999, timezone(timedelta(hours=9)))
    assert period_of(tokyo, 86_400) == DAY
    assert period_of(tokyo, 3_600).start == START + timedelta(hours=23)


@pytest.mark.parametrize("length_s", [0, -1, 7, 86_401, 172_800])
def test_what_days_cannot_begin_with_is_refused_in_words(length_s: int) -> None:
    with pytest.raises(ValueError, match=r"^must divide a day, 86400 seconds, such as 3600$"):
        divisor_of_a_day(length_s)


@pytest.mark.parametrize("length_s", [1, 3_600, 86_400])
def test_what_divides_a_day_is_a_length(length_s: int) -> None:
    assert divisor_of_a_day(length_s) == length_s


LEAVES = [merkle.leaf(b"another"), leaf_of({"transfer": {"id": "trf_1"}, "entries": []})]
ROOT: Json = {
    "object": "receipt_root",
    "date": "2026-01-01",
    "leaves": 2,
    "root": merkle.root(LEAVES).hex(),
    "key_id": "k2",
}
RECEIPT: Json = {
    "object": "receipt",
    "version": 1,
    "transfer": {"id": "trf_1", "status": "completed"},
    "entries": [],
    "key_id": "k1",
    "available_after": "2026-01-02T00:01:00.000Z",
}


def receipt(**changes: Any) -> Json:
    whole = {**RECEIPT, **changes}
    nodes = [merkle.leaf(b"another"), leaf_of(RECEIPT)]
    root = {**ROOT, "root": merkle.root(nodes).hex()}
    path = [one.hex() for one in merkle.path(nodes, 1)]
    return {"inclusion": {"index": 1, "path": path, "root": root}, **whole}


def lines(thing: object, signed: set[str] | None = None, published: object = None) -> list[str]:
    """What a reader is told, each line with whether it holds; keys in ``signed`` sign well."""
    trusted = {"k1", "k2"} if signed is None else signed
    told = examine(thing, lambda statement: statement["key_id"] in trusted, published)
    return [f"{'✓' if one.holds else '✗'} {one.words}" for one in told]


SIGNED = "✓ The receipt of trf_1, completed, is signed by key k1."
OVER = "✓ The root of 2026-01-01, over 2 transfers, is signed by k2."
IN_IT = (
    "✓ The transfer and its entries are number 1 of 2 in the root of 2026-01-01: "
    "none can be altered."
)


def test_a_good_receipt_is_told_line_by_line() -> None:
    assert lines(receipt()) == [SIGNED, OVER, IN_IT]
    published = receipt()["inclusion"]["root"]
    same = "✓ It is the root that was published."
    assert lines(receipt(), published=published) == [SIGNED, OVER, IN_IT, same]


def test_each_thing_that_does_not_hold_has_a_line_of_its_own() -> None:
    assert lines(receipt(), signed={"k2"}) == [
        "✗ The receipt of trf_1, completed, is NOT as one of these keys signed it.",
        OVER,
        IN_IT,
    ]
    unsigned = "✗ The root of 2026-01-01 is NOT as one of these keys signed it."
    assert lines(receipt(), signed={"k1"}) == [SIGNED, unsigned, IN_IT]
    assert lines(receipt(entries=[{}])) == [
        SIGNED,
        OVER,
        "✗ The transfer and its entries are NOT number 1 of 2 in the root of 2026-01-01.",
    ]
    other = "✗ It is NOT the root that was published."
    assert lines(receipt(), published={}) == [SIGNED, OVER, IN_IT, other]


def test_a_receipt_in_no_root_yet_says_when_to_come_again() -> None:
    early = receipt(inclusion=None)
    assert lines(early) == [
        SIGNED,
        "✓ It is in no root yet: fetch it again after 2026-01-02T00:01:00.000Z.",
    ]
    assert lines(early, published={}) == [
        SIGNED,
        "✗ It names no root to compare with the published one.",
    ]


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (None, "This is no receipt."),
        ({"object": "receipt_root", "version": 1}, "This is no receipt."),
        ({"object": "receipt"}, "It is of a version this program does not know (1)."),
        ({**RECEIPT, "version": 2}, "It is of a version this program does not know (1)."),
        (RECEIPT, "It is damaged: parts of a receipt are missing or of another kind."),
    ],
)
def test_what_is_no_whole_receipt_is_told_in_one_line(thing: object, words: str) -> None:
    assert lines(thing) == [f"✗ {words}"]
