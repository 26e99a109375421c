"""What the proof says of commits that nobody of ours makes: which rule, of what, in which words."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payflow.domain.conservation import (
    FEED,
    INSERT,
    JOURNAL,
    TRANSFERS,
    UPDATE,
    WALLETS,
    Change,
    FeedEnd,
    Fold,
    TransferSum,
    WalletSum,
)
from payflow.domain.events import GENESIS
from payflow.domain.ledger import Leg
from payflow.storage.feed_places import placed
from tests.fakes import START, TRANSFER
from tests.unit.test_conservation import ALICE, BOB, commits, folded, opened

Commit = list[Change]
Commits = list[Commit]


def says(one: Change, **fields: Any) -> Change:
    """The same change with other fields."""
    return replace(one, fields={**one.fields, **fields})


def found(fold: Fold) -> list[str]:
    return [f"{one.invariant.name} {one.subject_id}: {one.detail}" for one in fold.found]


@pytest.fixture
async def told() -> AsyncIterator[Commits]:
    yield await commits(Leg.DEBIT, Leg.CREDIT, Leg.POST)


Spoil = Callable[[Change, Change, Change], Commit]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda entry, moved, wallet: [says(entry, wallet_sequence=2), moved, wallet],
            ["SEQUENCES_HAVE_NO_GAP wal_ALICE: trf_ONE:debit is entry 2, and must be 1"],
        ),
        (
            lambda entry, moved, wallet: [says(entry, balance_after=901), moved, wallet],
            ["BALANCES_ARE_FOLDS wal_ALICE: trf_ONE:debit says 901; its postings come to 900"],
        ),
        (
            lambda entry, moved, wallet: [says(entry, currency="EUR"), moved, wallet],
            ["BALANCES_ARE_FOLDS wal_ALICE: trf_ONE:debit posts EUR to a wallet of USD"],
        ),
        (
            lambda entry, moved, wallet: [entry, moved, says(wallet, balance=901)],
            [
                "CHANGES_HAVE_ENTRIES wal_ALICE: says balance 901, sequence 1; "
                "its entries come to balance 900, sequence 1"
            ],
        ),
        (
            lambda entry, moved, wallet: [entry, moved, says(wallet, held=7, currency="EUR")],
            [
                "CHANGES_HAVE_ENTRIES wal_ALICE: says balance 900, sequence 1, held 7, currency "
                "EUR; its entries come to balance 900, sequence 1"
            ],
        ),
        (
            lambda entry, moved, wallet: [entry, moved],
            [
                "CHANGES_HAVE_ENTRIES wal_ALICE: says nothing new; "
                "its entries come to balance 900, sequence 1"
            ],
        ),
        (
            lambda entry, moved, wallet: [moved, wallet],
            [
                "CHANGES_HAVE_ENTRIES wal_ALICE: says balance 900, sequence 1, and no entry was "
                "posted with it",
                "CHANGES_HAVE_ENTRIES trf_ONE: says status debited, sequence 2, refunded False; "
                "its entries say status initiated, sequence 1, refunded False",
            ],
        ),
        (
            lambda entry, moved, wallet: [entry, wallet],
            [
                "CHANGES_HAVE_ENTRIES trf_ONE: says nothing new; "
                "its entries say status debited, sequence 2, refunded False"
            ],
        ),
        (
            lambda entry, moved, wallet: [entry, says(moved, refunded=True, amount=5), wallet],
            [
                "CHANGES_HAVE_ENTRIES trf_ONE: says status debited, sequence 2, refunded True, "
                "amount 5; its entries say status debited, sequence 2, refunded False"
            ],
        ),
        (
            lambda entry, moved, wallet: [entry, says(moved, sequence=9), wallet],
            [
                "CHANGES_HAVE_ENTRIES trf_ONE: says status debited, sequence 9, refunded False; "
                "its entries say status debited, sequence 2, refunded False"
            ],
        ),
        (
            lambda entry, moved, wallet: [says(entry, leg="later"), moved, wallet],
            [
                "STEP_SETS_ARE_LEGAL trf_ONE: trf_ONE:debit leads from initiated to debited, "
                "not nothing"
            ],
        ),
        (
            lambda entry, moved, wallet: [entry, says(moved, status="failed"), wallet],
            [
                "CHANGES_HAVE_ENTRIES trf_ONE: says status failed, sequence 2, refunded False; "
                "its entries say status debited, sequence 2, refunded False"
            ],
        ),
    ],
)
def test_a_debit_that_is_told_wrongly_is_named(
    told: Commits, spoil: Spoil, words: list[str]
) -> None:
    entry, moved, wallet = told[1]
    assert found(folded([told[0], spoil(entry, moved, wallet)])) == words
    assert found(folded([told[0], [entry, moved, wallet]])) == []


@pytest.mark.parametrize(
    "fixed", ["amount", "currency", "source_wallet_id", "destination_wallet_id"]
)
def test_what_was_ordered_is_never_written_again(told: Commits, fixed: str) -> None:
    """Not even to the same value, and not without a step either."""
    (again,) = found(folded([told[0], [Change(TRANSFERS, UPDATE, TRANSFER, {fixed: 100})]]))
    due = "its entries say status initiated, sequence 1, refunded False"
    assert again == f"CHANGES_HAVE_ENTRIES trf_ONE: says {fixed} 100; {due}"


def test_an_entry_that_lacks_something_is_named_with_what_it_lacks(told: Commits) -> None:
    entry, moved, wallet = told[1]
    fields = {name: value for name, value in entry.fields.items() if name != "postings"}
    words = found(folded([told[0], [replace(entry, fields=fields), moved, wallet]]))
    assert words[0] == "STEPS_ARE_WHOLE trf_ONE:debit: cannot be read: KeyError('postings')"


@pytest.mark.parametrize("more", [1, -1])
def test_postings_that_do_not_add_up_are_named_with_their_sum(told: Commits, more: int) -> None:
    entry, moved, wallet = told[1]
    payer, transit = entry.fields["postings"]
    postings = [payer, {**transit, "amount": 100 + more}]
    assert found(folded([told[0], [says(entry, postings=postings), moved, wallet]])) == [
        f"ENTRIES_BALANCE trf_ONE:debit: its postings add up to {more} USD",
        f"TRANSIT_ONLY_IN_FLIGHT trf_ONE: {100 + more} in transit while debited, of the amount 100",
    ]


def test_an_entry_that_cannot_be_read_hides_none_of_its_commit(told: Commits) -> None:
    (init, created), (entry, moved, wallet), *_ = told
    broken = Change(JOURNAL, INSERT, "trf_TWO:init", {})
    changed = Change(JOURNAL, UPDATE, "trf_TWO:init", {"event.type": "x", "code": "y"})
    fold = folded([[init, created], [broken, changed, entry, moved, wallet]])
    assert found(fold) == [
        "STEPS_ARE_WHOLE trf_TWO:init: cannot be read: KeyError('event')",
        "HISTORY_ONLY_GROWS trf_TWO:init: journal is written once, and this was a update of code, "
        "event.type",
    ]
    assert fold.transfers[TRANSFER].status == "debited"


def test_what_is_written_once_and_was_written_again_is_named(told: Commits) -> None:
    gone = Change(FEED, "delete", "7")
    assert found(folded([[gone]])) == [
        "HISTORY_ONLY_GROWS 7: feed is written once, and this was a delete"
    ]


def test_a_way_of_writing_that_is_not_ours_is_named(told: Commits) -> None:
    replaced = Change(WALLETS, "replace", ALICE, {"balance": 1})
    deleted = Change(TRANSFERS, "delete", TRANSFER)
    name = Change(WALLETS, UPDATE, BOB, {"name": "Rent"})
    assert found(folded([told[0], [replaced, name, deleted]])) == [
        "CHANGES_HAVE_ENTRIES wal_ALICE: was written by a replace, which nobody of ours does",
        "CHANGES_HAVE_ENTRIES trf_ONE: was written by a delete, which nobody of ours does",
    ]


@pytest.mark.parametrize("name", ["balance", "sequence", "held"])
def test_a_wallet_is_opened_empty(name: str) -> None:
    fold = Fold()
    fold.take([opened("wal_NEW")])
    assert (fold.found, fold.wallets) == ([], {"wal_NEW": WalletSum(0, 0, "USD")})
    fold.take([opened("wal_RICH", **{name: 5})])
    assert found(fold) == [
        f"CHANGES_HAVE_ENTRIES wal_RICH: was opened with {name} 5, which no entry posted"
    ]
    assert fold.touched == {"wal_NEW", "wal_RICH"}


def test_money_that_nobody_had_is_named(told: Commits) -> None:
    fold = Fold()
    entry, moved, wallet = told[1]
    for commit in ([opened(ALICE)], told[0]):
        fold.take(commit)
    fold.take([says(entry, balance_after=-100), moved, says(wallet, balance=-100)])
    assert found(fold) == ["NOBODY_BELOW_FLOOR wal_ALICE: balance -100 after trf_ONE:debit"]


def test_a_wallet_nobody_opened_begins_with_nothing(told: Commits) -> None:
    fold = Fold()
    entry, moved, wallet = told[1]
    fold.take(told[0])
    fold.take([says(entry, balance_after=-100), moved, says(wallet, balance=-100)])
    assert fold.wallets == {ALICE: WalletSum(-100, 1, "USD")}
    assert [one.split(":")[0] for one in found(fold)] == ["NOBODY_BELOW_FLOOR wal_ALICE"]


def test_a_wallet_in_two_entries_of_one_commit_is_held_against_the_last(told: Commits) -> None:
    """Two updates of one document are one; a balance that comes out as before is not told."""
    fold = folded([told[0]])
    (entry, moved, wallet), (credit, moved_on, _) = told[1], told[2]
    back = [{**one} for one in credit.fields["postings"]]
    back[0]["account"] = ALICE
    credit = says(credit, postings=back, wallet_id=ALICE, wallet_sequence=2, balance_after=1_000)
    first, last = says(wallet, held=0), replace(wallet, fields={"balance": 1_000, "sequence": 2})
    whole = [credit, entry, moved, moved_on, replace(wallet, fields={"balance": 900}), last]
    fold.take(whole)
    assert found(fold) == []
    assert fold.wallets[ALICE] == WalletSum(1_000, 2, "USD")
    assert fold.transfers[TRANSFER].status == "credited"
    unsaid = folded([told[0]])
    unsaid.take([*whole[:4], replace(wallet, fields={"sequence": 2})])
    assert found(unsaid) == []
    spoilt = folded([told[0]])
    spoilt.take([*whole[:4], first, last])
    assert [one.split(":")[0] for one in found(spoilt)] == ["CHANGES_HAVE_ENTRIES wal_ALICE"]


def test_a_step_of_what_has_ended_or_never_began_is_named(told: Commits) -> None:
    entry, moved, wallet = told[1]
    ended = folded([*told, [entry, moved, wallet]])
    never = folded([[entry, moved, wallet]])
    for fold in ended, never:
        assert found(fold)[-2:] == [
            "STEP_SETS_ARE_LEGAL trf_ONE: trf_ONE:debit is of a transfer that has ended, or never "
            "began",
            "CHANGES_HAVE_ENTRIES trf_ONE: says status debited, sequence 2, refunded False; "
            "its entries say nothing",
        ]


def test_a_step_that_was_left_out_is_named_in_every_way_it_shows(told: Commits) -> None:
    assert found(folded([told[0], told[2]])) == [
        "STEP_SETS_ARE_LEGAL trf_ONE: trf_ONE:credit leads from initiated to credited, not nothing",
        "SEQUENCES_HAVE_NO_GAP trf_ONE: trf_ONE:credit is event 3, and must be 2",
        "TRANSIT_ONLY_IN_FLIGHT trf_ONE: -100 in transit while credited, of the amount 100",
        "CHANGES_HAVE_ENTRIES trf_ONE: says status credited, sequence 3, refunded False; "
        "its entries say status credited, sequence 2, refunded False",
    ]


def test_an_event_that_tells_another_state_is_named(told: Commits) -> None:
    entry, moved, wallet = told[1]
    event = entry.fields["event"]
    other = {**event, "data": {**event["data"], "status": "refunding"}}
    words = found(folded([told[0], [says(entry, event=other), moved, wallet]]))
    assert words[0] == (
        "STEP_SETS_ARE_LEGAL trf_ONE: trf_ONE:debit leads from initiated to refunding, not debited"
    )
    skipped = says(entry, event={**event, "sequence": 7})
    assert found(folded([told[0], [skipped, moved, wallet]])) == [
        "SEQUENCES_HAVE_NO_GAP trf_ONE: trf_ONE:debit is event 7, and must be 2"
    ]


def test_a_transfer_and_its_first_entry_come_together(told: Commits) -> None:
    init, created = told[0]
    due = "its entries say status initiated, sequence 1, refunded False"
    assert found(folded([[init]])) == [f"CHANGES_HAVE_ENTRIES trf_ONE: says nothing new; {due}"]
    assert found(folded([[created]])) == [
        "CHANGES_HAVE_ENTRIES trf_ONE: says status initiated, sequence 1, refunded False; "
        "its entries say nothing"
    ]
    assert found(folded([[init, says(created, sequence=4)]])) == [
        f"CHANGES_HAVE_ENTRIES trf_ONE: says status initiated, sequence 4, refunded False; {due}"
    ]
    named = Change(TRANSFERS, UPDATE, TRANSFER, {"description": "rent"})
    assert found(folded([[init, named, created]])) == [
        "CHANGES_HAVE_ENTRIES trf_ONE: says status initiated, sequence 1, refunded False, "
        f"description changed; {due}"
    ]


def test_the_same_finding_is_told_once_and_others_beside_it(told: Commits) -> None:
    gone = [Change(JOURNAL, "delete", key) for key in ("a", "a", "b")]
    assert [one.partition(" is ")[0] for one in found(folded([gone]))] == [
        "HISTORY_ONLY_GROWS a: journal",
        "HISTORY_ONLY_GROWS b: journal",
    ]


def test_what_is_remembered_of_a_transfer_under_way(told: Commits) -> None:
    fold = folded(told[:2])
    assert fold.transfers == {TRANSFER: TransferSum("debited", 100, 2, 100, False, START)}
    assert fold.touched == {"evt_0", "evt_1", TRANSFER, ALICE, BOB}
    assert set(fold.events) == {"evt_0", "evt_1"}


async def test_money_that_was_sent_home_was_refunded() -> None:
    told = await commits(Leg.DEBIT, Leg.CREDIT, Leg.REFUND, rejected=Leg.CREDIT)
    under_way = folded(told[:-1])
    assert not under_way.transfers[TRANSFER].refunded
    entry, moved, wallet = told[-1]
    assert found(folded([*told[:-1], [entry, says(moved, refunded=False), wallet]])) == [
        "CHANGES_HAVE_ENTRIES trf_ONE: says status failed, sequence 4, refunded False; "
        "its entries say status failed, sequence 4, refunded True"
    ]


@pytest.mark.parametrize(("after", "ms"), [(1.5, 1_500), (0.0019, 1), (-1, 0)])
def test_how_long_money_was_in_transit_is_told_in_whole_milliseconds(
    told: Commits, after: float, ms: int
) -> None:
    credit, moved, wallet = told[2]
    late = says(credit, created_at=START + timedelta(seconds=after))
    fold = folded([told[0], told[1], [late, moved, wallet]])
    assert fold.cleared_ms == [ms]
    assert fold.transfers[TRANSFER].since is None
    fold.take(told[3])
    assert (fold.cleared_ms, fold.transfers, fold.accepted) == ([ms], {}, 1)


async def test_money_that_goes_back_was_in_transit_from_its_debit_on() -> None:
    told = await commits(Leg.DEBIT, Leg.CREDIT, Leg.REFUND, rejected=Leg.CREDIT)
    late = [
        [says(commit[0], created_at=START + timedelta(seconds=at)), *commit[1:]]
        for at, commit in enumerate(told)
    ]
    assert folded(late).cleared_ms == [2_000]  # debited at 1, refused at 2, given back at 3


def test_places_that_do_not_follow_or_tell_otherwise_are_named(told: Commits) -> None:
    feed = placed([dict(commit[0].fields) for commit in told[:2]], 0, GENESIS)
    first, second = (Change(FEED, INSERT, str(one["_id"]), one) for one in feed)
    broken = "FEED_CHAIN_HOLDS {}: its hash does not seal it and what is before it"

    gap = folded([*told[:2], [second]])
    assert found(gap) == ["FEED_CHAIN_HOLDS 2: nothing is between 0 and 2"]
    assert gap.end == FeedEnd(2, feed[1]["hash"])

    altered = says(first, event={**feed[0]["event"], "type": "transfer.failed"})
    assert found(folded([*told[:2], [altered], [second]])) == [
        broken.format(1),
        "FEED_TELLS_THE_JOURNAL evt_0: told at 1, otherwise than the journal",
    ]
    unheard = folded([told[0], [first], [second]])
    assert found(unheard) == ["FEED_TELLS_THE_JOURNAL evt_1: told at 2, and the journal has not"]
    assert "evt_1" in unheard.touched
    for hollow in ({}, {"event": {"at": float("nan")}, "event_id": "evt_0"}):
        words = found(folded([*told[:2], [replace(first, fields=hollow)]]))
        assert words[0] == broken.format(1)
        assert words[1].startswith("FEED_TELLS_THE_JOURNAL")


@pytest.mark.parametrize("left", [0, 1])
def test_a_wallet_may_be_spent_to_the_last_cent(told: Commits, left: int) -> None:
    entry, moved, wallet = told[1]
    fold = Fold(wallets={ALICE: WalletSum(100 + left, 0, "USD")})
    fold.take(told[0])
    fold.take([says(entry, balance_after=left), moved, says(wallet, balance=left)])
    assert (fold.found, fold.wallets[ALICE].balance) == ([], left)


def test_every_transfer_that_was_accepted_is_counted(told: Commits) -> None:
    init, created = told[0]
    second = says(init, _id="trf_TWO:init", transfer_id="trf_TWO")
    fold = folded([told[0], [second, replace(created, key="trf_TWO")]])
    assert (fold.found, fold.accepted, set(fold.transfers)) == ([], 2, {TRANSFER, "trf_TWO"})
