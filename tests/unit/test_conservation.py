"""The fold: a commit that PayFlow makes is right, and each way to make another one is named."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from payflow.domain.batches import Batch, BatchCounts, BatchMode
from payflow.domain.conservation import (
    BATCHES,
    FEED,
    INSERT,
    JOURNAL,
    TRANSFERS,
    UPDATE,
    WALLETS,
    Change,
    FeedEnd,
    Fold,
)
from payflow.domain.events import GENESIS
from payflow.domain.invariants import Invariant
from payflow.domain.ledger import JournalEntry, Leg, LegRequest
from payflow.domain.ports import IdempotencyClaim, Origin
from payflow.storage.batch_mapping import from_batch, from_batch_acceptance
from payflow.storage.feed_places import placed
from payflow.storage.mapping import (
    claim_fields,
    from_acceptance,
    from_entry,
    from_transfer,
    transfer_state,
)
from tests.fakes import START, TRANSFER, books_of_two, transfer

Fields = dict[str, Any]
ALICE, BOB = "wal_ALICE", "wal_BOB"
HAVE = Invariant.CHANGES_HAVE_ENTRIES


def opened(key: str, **fields: Any) -> Change:
    blank = {"_id": key, "balance": 0, "sequence": 0, "held": 0, "currency": "USD"}
    return Change(WALLETS, INSERT, key, {**blank, **fields})


async def commits(*legs: Leg, rejected: Leg | None = None) -> list[list[Change]]:
    """What a change stream tells of a transfer that takes these legs."""
    books = books_of_two()
    made = books.transfers[TRANSFER]
    init = from_acceptance(made, entry_id="ent_0", event_id="evt_0", request_id=None)
    init |= {"idempotency": claim_fields(IdempotencyClaim("usr_1", "key", "hash"))}
    told = [
        [
            Change(JOURNAL, INSERT, init["_id"], init),
            Change(TRANSFERS, INSERT, made.id, from_transfer(made)),
        ]
    ]
    for leg in legs:
        await books.take(LegRequest(TRANSFER, leg, rejected=leg is rejected), Origin())
    for number, entry in enumerate(books.entries, start=1):
        told.append(commit_of(entry, number))
    return told


def commit_of(entry: JournalEntry, number: int) -> list[Change]:
    fields = from_entry(entry, entry_id=f"ent_{number}", event_id=f"evt_{number}", origin=Origin())
    changes = [
        Change(JOURNAL, INSERT, entry.key, fields),
        Change(TRANSFERS, UPDATE, entry.transfer.id, transfer_state(entry.transfer)),
    ]
    if entry.change is not None:
        says = {"balance": entry.change.balance_after, "sequence": entry.change.wallet_sequence}
        changes.append(Change(WALLETS, UPDATE, entry.change.wallet_id, says))
    return changes


def folded(told: list[list[Change]]) -> Fold:
    books = books_of_two()
    fold = Fold()
    for key, wallet in books.wallets.items():
        fold.take([opened(key)])
        fold.wallets[key].balance = wallet.balance
        fold.wallets[key].sequence = wallet.sequence
    for commit in told:
        fold.take(commit)
    return fold


def rules(fold: Fold) -> set[Invariant]:
    return {one.invariant for one in fold.found}


@pytest.mark.parametrize(
    ("legs", "rejected"),
    [
        ((Leg.DEBIT, Leg.CREDIT, Leg.POST), None),
        ((Leg.DEBIT, Leg.CREDIT, Leg.REFUND), Leg.CREDIT),
        ((Leg.DEBIT,), Leg.DEBIT),
        ((Leg.DEBIT,), None),
    ],
)
async def test_every_way_of_a_transfer_is_right(
    legs: tuple[Leg, ...], rejected: Leg | None
) -> None:
    fold = folded(await commits(*legs, rejected=rejected))

    assert fold.found == []
    assert fold.accepted == 1
    assert (TRANSFER in fold.transfers) is (legs == (Leg.DEBIT,) and rejected is None)


async def test_a_commit_without_one_of_its_parts_is_found() -> None:
    told = await commits(Leg.DEBIT)
    for missing in range(len(told[1])):
        part = [change for at, change in enumerate(told[1]) if at != missing]
        assert rules(folded([told[0], part])) & {HAVE, Invariant.STEP_SETS_ARE_LEGAL}, missing


async def test_a_commit_that_says_a_cent_more_is_found() -> None:
    told = await commits(Leg.DEBIT)
    entry, moved, wallet = told[1]
    more = replace(wallet, fields={**wallet.fields, "balance": wallet.fields["balance"] + 1})
    assert rules(folded([told[0], [entry, moved, more]])) == {HAVE}

    postings = [dict(one) for one in entry.fields["postings"]]
    postings[1]["amount"] += 1
    unbalanced = replace(entry, fields={**entry.fields, "postings": postings})
    found = rules(folded([told[0], [unbalanced, moved, wallet]]))
    assert {Invariant.ENTRIES_BALANCE, Invariant.TRANSIT_ONLY_IN_FLIGHT} <= found


@pytest.mark.parametrize(
    "spoilt",
    [
        {"postings": [{"account": "wal_ALICE", "amount": "ten"}]},
        {"event": None},
        {"wallet_sequence": 1.5},
        {"outcome": "perhaps"},
        {"entry_id": ""},
    ],
)
async def test_an_entry_that_cannot_be_read_is_found(spoilt: Mapping[str, Any]) -> None:
    told = await commits(Leg.DEBIT)
    entry = replace(told[1][0], fields={**told[1][0].fields, **spoilt})

    assert Invariant.STEPS_ARE_WHOLE in rules(folded([told[0], [entry, *told[1][1:]]]))


async def test_what_is_written_once_is_written_once() -> None:
    told = await commits(Leg.DEBIT)
    for collection in (JOURNAL, FEED):
        for operation in (UPDATE, "replace", "delete", "drop"):
            changed = [Change(collection, operation, "1", {"event.type": "x"})]
            assert rules(folded([*told, changed])) == {Invariant.HISTORY_ONLY_GROWS}


async def test_what_changes_no_money_is_nobodys_matter() -> None:
    told = await commits(Leg.DEBIT)
    for fields in ({"contended": 3}, {"status": "frozen"}, {"name": "Rent"}):
        assert folded([*told, [Change(WALLETS, UPDATE, ALICE, fields)]]).found == []
    spoilt: tuple[Fields, ...] = (
        {"balance": 1},
        {"sequence": 9},
        {"held": 1},
        {"currency": "EUR"},
        {"owner_id": "usr_MALLORY"},
        {"a": "field nobody knows"},
    )
    for fields in spoilt:
        assert rules(folded([*told, [Change(WALLETS, UPDATE, ALICE, fields)]])) == {HAVE}


@pytest.mark.parametrize("ended", [False, True], ids=["open", "ended"])
@pytest.mark.parametrize(
    "fields",
    [
        {"amount": 101},
        {"currency": "EUR"},
        {"source_wallet_id": BOB},
        {"destination_wallet_id": ALICE},
        {"payer_id": "usr_MALLORY"},
        {"payee_id": "usr_MALLORY"},
        {"party_ids": []},
        {"wallet_ids.0": BOB},
        {"description": "Lunch"},
        {"metadata": {}},
        {"metadata.order": "7"},
        {"workflow_id": "transfer/trf_TWO"},
        {"batch_id": "bat_1"},
        {"created_at": START},
        {"completed_at": START},
        {"updated_at": START},
        {"failure": {"code": "wallet_frozen"}},
        {"needs_attention": True},
        {"a": "field nobody knows"},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_a_transfer_changed_without_an_entry_is_found(fields: Fields, ended: bool) -> None:
    told = await commits(*([Leg.DEBIT, Leg.CREDIT, Leg.POST] if ended else [Leg.DEBIT]))
    assert folded(told).found == []
    (found,) = folded([*told, [Change(TRANSFERS, UPDATE, TRANSFER, fields)]]).found
    assert (found.invariant, found.subject_id) == (HAVE, TRANSFER)
    assert "Lunch" not in found.detail  # anyone may read a proof


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": 101},
        {"description": "Lunch"},
        {"needs_attention": True},
        {"failure": {"code": "wallet_frozen"}},
        {"updated_at": datetime(2026, 2, 1, tzinfo=UTC)},
    ],
    ids=lambda fields: next(iter(fields)),
)
@pytest.mark.parametrize("number", [0, 1], ids=["accepted", "debited"])
async def test_a_transfer_that_says_otherwise_than_its_entry_is_found(
    fields: Fields, number: int
) -> None:
    told = await commits(Leg.DEBIT)
    at, kept = next((n, one) for n, one in enumerate(told[number]) if one.collection == TRANSFERS)
    told[number][at] = replace(kept, fields={**kept.fields, **fields})
    assert (HAVE, TRANSFER) in {(one.invariant, one.subject_id) for one in folded(told).found}


def batch_accepted(**fields: Any) -> list[Change]:
    counts = BatchCounts(2)
    made = Batch("bat_ONE", "usr_ALICE", BatchMode.ATOMIC, counts, START)
    claim = IdempotencyClaim("usr_1", "key", "hash")
    init = from_batch_acceptance(made, claim, entry_id="ent_0", event_id="evt_0", request_id=None)
    return [
        Change(JOURNAL, INSERT, init["_id"], init),
        Change(BATCHES, INSERT, made.id, {**from_batch(made, None), **fields}),
    ]


def test_a_batch_is_what_was_ordered_and_only_its_end_changes_it() -> None:
    ended = {"status": "completed", "completed": 2, "completed_at": START}
    right = [Change(BATCHES, UPDATE, "bat_ONE", fields) for fields in (ended, {"cancelled": True})]
    assert folded([batch_accepted(), *([one] for one in right)]).found == []
    wrong = [
        [batch_accepted(total=3)],
        [batch_accepted(owner_id="usr_MALLORY")],
        [batch_accepted()[1:]],
        [batch_accepted(), [Change(BATCHES, UPDATE, "bat_ONE", {"mode": "independent"})]],
        [batch_accepted(), [Change(BATCHES, "delete", "bat_ONE")]],
    ]
    for commit in wrong:
        found = [(one.invariant, one.subject_id) for one in folded(commit).found]
        assert found == [(HAVE, "bat_ONE")]


async def test_places_are_sealed_and_tell_the_journal() -> None:
    told = await commits(Leg.DEBIT, Leg.CREDIT)
    entries = [commit[0].fields for commit in told]
    feed = placed([dict(one) for one in entries], 0, GENESIS)
    places = [[Change(FEED, INSERT, str(one["_id"]), one)] for one in feed]

    fold = folded([*told, *places])
    assert fold.found == []
    assert fold.end == FeedEnd(3, feed[-1]["hash"])
    assert fold.events == {}
    assert rules(folded([*told, places[0], places[2]])) == {Invariant.FEED_CHAIN_HOLDS}
    untold = folded([told[0], *places])
    assert rules(untold) == {Invariant.FEED_TELLS_THE_JOURNAL}
    assert transfer().id == TRANSFER
