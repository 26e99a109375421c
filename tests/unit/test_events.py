"""Who may see an event, and the chain that seals their order."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.events import (
    GENESIS,
    canonical_json,
    chain_hash,
    first_broken_link,
    transfer_audience,
)
from payflow.domain.transfers import TransferStatus
from tests.fakes import transfer

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("status", "refunded", "both"),
    [
        (TransferStatus.INITIATED, False, False),
        (TransferStatus.FAILED, False, False),
        (TransferStatus.FAILED, True, True),
        (TransferStatus.DEBITED, False, True),
        (TransferStatus.REFUNDING, False, True),
        (TransferStatus.COMPLETED, False, True),
    ],
)
def test_the_payee_hears_of_it_from_the_debit_on(
    status: TransferStatus, refunded: bool, both: bool
) -> None:
    told = transfer_audience(transfer(status=status, refunded=refunded))
    assert told == (["usr_ALICE", "usr_BOB"] if both else ["usr_ALICE"])


def test_who_pays_themselves_is_told_once() -> None:
    assert transfer_audience(transfer(status=TransferStatus.DEBITED, payee_id="usr_ALICE")) == [
        "usr_ALICE"
    ]


def test_names_are_sorted_as_the_standard_sorts_them() -> None:
    # the example of RFC 8785 §3.2.3: UTF-16 units, not code points
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\xf6"]
    found = json.loads(canonical_json(dict.fromkeys(names, 0)), object_pairs_hook=list)
    assert [name for name, _ in found] == [
        "\r",
        "1",
        "\x80",
        "\xf6",
        "\u20ac",
        "\U0001f600",
        "\ufb33",
    ]


@given(st.dictionaries(texts, documents, max_size=5))
def test_the_text_says_all_and_does_not_depend_on_the_order(document: dict[str, Any]) -> None:
    text = canonical_json(document)
    assert json.loads(text) == document
    assert canonical_json(dict(reversed(document.items()))) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_never_hashed(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"amount": value})
    assert canonical_json({"amount": 1}) == b'{"amount":1}'


def chained(count: int) -> list[dict[str, Any]]:
    documents, previous = [], GENESIS
    for position in range(1, count + 1):
        document: dict[str, Any] = {"_id": position, "event": {"id": f"evt_{position}"}}
        document["previous_hash"] = previous
        previous = document["hash"] = chain_hash(document)
        documents.append(document)
    return documents


def test_a_chain_holds_and_shows_where_it_was_touched() -> None:
    assert first_broken_link(chained(5), GENESIS) is None
    changed, exchanged, cut = chained(5), chained(5), chained(5)
    changed[2]["event"] = {"id": "evt_OTHER"}
    assert first_broken_link(changed, GENESIS) == 3
    exchanged[1], exchanged[2] = exchanged[2], exchanged[1]
    assert first_broken_link(exchanged, GENESIS) == 3
    del cut[1]
    assert first_broken_link(cut, GENESIS) == 3
