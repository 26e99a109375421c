"""A journal document is read whole and of the right types, or refused with what is wrong in it."""

from hashlib import sha256
from typing import Any

import pytest

from payflow.domain.events import canonical_json
from payflow.domain.journal_reading import Entry, digest_of, read_entry, whole
from tests.fakes import START

EVENT = {
    "id": "evt_1",
    "type": "transfer.debited",
    "sequence": 2,
    "data": {"status": "debited", "amount": 100},
}
DEBIT: dict[str, Any] = {
    "_id": "trf_1:debit",
    "leg": "debit",
    "outcome": "applied",
    "transfer_id": "trf_1",
    "wallet_id": "wal_A",
    "wallet_sequence": 7,
    "balance_after": 900,
    "currency": "USD",
    "postings": [
        {"account": "wal_A", "amount": -100},
        {"account": "transit:trf_1", "amount": 100},
    ],
    "entry_id": "ent_1",
    "event": EVENT,
    "created_at": START,
}
MISSING = object()


def debit(**changes: Any) -> dict[str, Any]:
    whole_one = {**DEBIT, **changes}
    return {name: value for name, value in whole_one.items() if value is not MISSING}


def test_an_entry_is_read_field_by_field() -> None:
    entry = read_entry(DEBIT)
    assert entry == Entry(
        key="trf_1:debit",
        leg="debit",
        outcome="applied",
        transfer_id="trf_1",
        wallet_id="wal_A",
        wallet_sequence=7,
        balance_after=900,
        currency="USD",
        postings=(("wal_A", -100), ("transit:trf_1", 100)),
        event=EVENT,
        at=START,
    )
    assert entry.said == {"status": "debited", "amount": 100}


def test_a_mark_has_no_wallet_no_outcome_and_posts_nothing() -> None:
    names = ("outcome", "wallet_id", "wallet_sequence", "balance_after", "currency")
    mark = read_entry(debit(leg="park", postings=[], **dict.fromkeys(names, MISSING)))
    assert (mark.outcome, mark.wallet_id, mark.currency, mark.postings) == (None, None, None, ())
    assert (mark.wallet_sequence, mark.balance_after) == (0, 0)


def test_what_is_of_no_transfer_needs_no_sequence_and_no_amount() -> None:
    event = {"id": "evt_1", "type": "batch.accepted", "data": {}}
    entry = read_entry(debit(transfer_id=MISSING, event=event))
    assert (entry.transfer_id, entry.said) == (None, {})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entry_id": ""}, "no event or no entry id"),
        ({"event": {**EVENT, "id": ""}}, "no event or no entry id"),
        ({"event": {**EVENT, "type": ""}}, "no event or no entry id"),
        ({"wallet_id": "wal_B"}, r"it posts to \['wal_A'\] and names wal_B"),
        ({"wallet_id": MISSING}, r"it posts to \['wal_A'\] and names None"),
        (
            {"postings": [{"account": name, "amount": 0} for name in ("wal_B", "wal_A")]},
            r"it posts to \['wal_A', 'wal_B'\] and names wal_A",
        ),
        ({"postings": [{"account": "world", "amount": 0}]}, r"it posts to \[\] and names wal_A"),
        ({"outcome": "perhaps"}, "outcome 'perhaps'"),
        ({"event": {**EVENT, "at": float("nan")}}, "JSON"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_entry(debit(**changes))


@pytest.mark.parametrize(
    "name", ["event", "entry_id", "postings", "_id", "leg", "wallet_sequence", "balance_after"]
)
def test_what_lacks_a_part_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(KeyError, match=f"^'{name}'$"):
        read_entry(debit(**{name: MISSING}))


@pytest.mark.parametrize("wrong", ["7", 7.0, True, None])
def test_a_number_is_an_integer(wrong: object) -> None:
    words = f"{wrong!r} is no integer"
    with pytest.raises(TypeError, match=words):
        whole(wrong)
    spoilt: tuple[dict[str, Any], ...] = (
        {"wallet_sequence": wrong},
        {"balance_after": wrong},
        {"postings": [{"account": "wal_A", "amount": wrong}]},
        {"event": {**EVENT, "sequence": wrong}},
        {"event": {**EVENT, "data": {"amount": wrong}}},
    )
    for changes in spoilt:
        with pytest.raises(TypeError, match=words):
            read_entry(debit(**changes))
    assert whole(7) == 7


def test_an_event_is_digested_in_its_canonical_form() -> None:
    backwards = dict(reversed(EVENT.items()))
    assert digest_of(EVENT) == digest_of(backwards) == sha256(canonical_json(EVENT)).hexdigest()
