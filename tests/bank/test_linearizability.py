"""The checker accepts what has an order, rejects what has none, and agrees with trying them all."""

import random
from collections.abc import Iterator, Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bank import linearizability
from tests.bank.linearizability import TooWide, explain
from tests.bank.wallet_model import (
    Effect,
    Standing,
    Step,
    credit,
    debit,
    found_frozen,
    freeze,
    lacking,
    moved,
    read,
    refund,
    unfreeze,
)

HUNDRED = Standing(100)


def step(begins: float, ends: float | None, *effects: Effect) -> Step:
    return Step(f"{begins}-{ends}", begins, ends, effects)


def saw(balance: int) -> Effect:
    return read(balance, frozen=False)


EXPLAINED = {
    "nothing": [],
    "one after the other": [step(0, 1, debit(30)), step(2, 3, saw(70))],
    "a read beside a debit sees it": [step(0, 3, debit(30)), step(1, 2, saw(70))],
    "a read beside a debit does not see it": [step(0, 3, debit(30)), step(1, 2, saw(100))],
    "two reads beside a debit": [
        step(0, 5, debit(30)),
        step(1, 2, saw(100)),
        step(3, 4, saw(70)),
    ],
    "a refund that was seen between its sides": [
        step(0, 9, debit(30), refund(30)),
        step(1, 2, saw(70)),
        step(3, 4, saw(100)),
    ],
    "a debit that the credit beside it pays for": [step(0, 2, debit(150)), step(1, 3, credit(50))],
    "a withdrawal that says what it left": [step(0, 2, moved(-40, 60)), step(1, 3, debit(60))],
    "not enough while another had it": [
        step(0, 9, debit(60), refund(60)),
        step(1, 8, lacking(50)),
    ],
    "an outcome nobody knows, that came": [step(0, None, credit(5)), step(1, 2, saw(105))],
    "an outcome nobody knows, that came late": [
        step(0, None, credit(5)),
        step(1, 2, saw(100)),
        step(3, 4, saw(105)),
    ],
    "an outcome nobody knows, that never came": [step(0, None, debit(5)), step(1, 2, saw(100))],
    "frozen, and thawed": [
        step(0, 1, freeze()),
        step(2, 3, found_frozen()),
        step(4, 5, refund(1)),
        step(6, 7, unfreeze()),
        step(8, 9, debit(101)),
    ],
    "at the same moment": [step(0, 1, debit(100)), step(1, 2, saw(100))],
}

UNEXPLAINED = {
    "a stale read": [step(0, 1, debit(30)), step(2, 3, saw(100))],
    "a lost update": [step(0, 1, debit(30)), step(0, 1, debit(30)), step(2, 3, saw(70))],
    "money from nowhere": [step(0, 1, saw(101))],
    "a read that goes back": [
        step(0, 9, debit(30)),
        step(1, 2, saw(70)),
        step(3, 4, saw(100)),
    ],
    "an overdraft": [step(0, 1, debit(60)), step(0, 1, debit(60))],
    "a refund twice": [step(0, 1, debit(30), refund(30), refund(30)), step(2, 3, saw(100))],
    "a refund before its debit": [
        step(0, 9, debit(30), refund(30)),
        step(1, 2, saw(130)),
    ],
    "a refusal of what was there": [step(0, 1, lacking(100))],
    "half of two": [
        step(0, 9, debit(30)),
        step(0, 9, debit(7)),
        step(1, 2, saw(60)),
    ],
    "a deposit that says what it did not leave": [step(0, 1, moved(5, 104))],
    "a debit of a frozen wallet": [step(0, 1, freeze()), step(2, 3, debit(1))],
    "found frozen before anybody froze it": [step(0, 1, found_frozen()), step(2, 3, freeze())],
    "an unknown outcome that came twice": [
        step(0, None, credit(5)),
        step(1, 2, saw(105)),
        step(3, 4, saw(110)),
    ],
    "an unknown outcome that came and went": [
        step(0, None, credit(5)),
        step(1, 2, saw(105)),
        step(3, 4, saw(100)),
    ],
    "before it was asked": [step(1, 2, saw(105)), step(3, 4, credit(5))],
}


@pytest.mark.parametrize("steps", EXPLAINED.values(), ids=EXPLAINED)
def test_what_has_an_order_is_explained(steps: Sequence[Step]) -> None:
    assert explain(steps, HUNDRED) is None


@pytest.mark.parametrize("steps", UNEXPLAINED.values(), ids=UNEXPLAINED)
def test_what_has_no_order_is_rejected(steps: Sequence[Step]) -> None:
    assert explain(steps, HUNDRED) is not None


def test_a_rejection_says_what_could_have_been_and_what_was_open() -> None:
    steps = [step(0, 9, debit(30)), step(1, 2, saw(60))]
    unexplained = explain(steps, HUNDRED)
    assert unexplained is not None
    assert unexplained.step is steps[1]
    assert unexplained.could_be == (HUNDRED,)
    assert unexplained.open == (steps[0],)
    assert "fits no order" in str(unexplained)


def test_a_history_too_wide_to_search_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [step(0, 9, credit(1 << bit)) for bit in range(12)] + [step(1, 2, saw(-1))]
    assert explain(steps, Standing(0)) is not None
    monkeypatch.setattr(linearizability, "MOST_CONFIGURATIONS", 1_000)
    with pytest.raises(TooWide, match="13 steps are open"):
        explain(steps, Standing(0))


def _all_orders(steps: Sequence[Step]) -> Iterator[Sequence[tuple[int, Effect]]]:
    """Every order of the effects, of those unknown any beginning or none."""
    ways: list[list[tuple[int, Effect]]] = [[]]
    for number, one in enumerate(steps):
        counts = [len(one.effects)] if one.ended is not None else range(len(one.effects) + 1)
        ways = [
            way + [(number, e) for e in one.effects[:count]] for way in ways for count in counts
        ]
    for way in ways:
        yield from permutations(way)


def _fits(order: Sequence[tuple[int, Effect]], steps: Sequence[Step], at: Standing) -> bool:
    """Whether points in time can be given to this order, and the wallet agrees with each."""
    standing: Standing | None = at
    earliest, done = float("-inf"), [0] * len(steps)
    for number, effect in order:
        one = steps[number]
        if effect is not one.effects[done[number]]:
            return False
        done[number] += 1
        earliest = max(earliest, one.invoked)
        if one.ended is not None and earliest > one.ended:
            return False
        standing = effect.after(standing) if standing else None
        if standing is None:
            return False
    return True


amounts = st.integers(1, 3)
effects = st.one_of(
    amounts.map(lambda n: (debit(n),)),
    amounts.map(lambda n: (credit(n),)),
    amounts.map(lambda n: (debit(n), refund(n))),
    amounts.map(lambda n: (lacking(n),)),
    st.integers(0, 5).map(lambda n: (saw(n),)),
    st.integers(0, 5).map(lambda n: (moved(-1, n),)),
    st.sampled_from([(freeze(),), (unfreeze(),), (found_frozen(),)]),
)


@st.composite
def a_step(draw: st.DrawFn) -> Step:
    begins = draw(st.integers(0, 6))
    ends = draw(st.one_of(st.none(), st.integers(begins, 8)))
    return step(begins, ends, *draw(effects))


@settings(max_examples=80, deadline=None)
@given(st.lists(a_step(), max_size=4), st.integers(0, 4))
def test_it_agrees_with_trying_every_order(steps: list[Step], balance: int) -> None:
    at = Standing(balance)
    one_fits = any(_fits(order, steps, at) for order in _all_orders(steps))
    assert (explain(steps, at) is None) is one_fits


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_a_wallet_that_did_it_in_some_order_is_explained(seed: int) -> None:
    """Twelve at a time, each at a moment of its own between its beginning and its end."""
    rng, balance, steps = random.Random(seed), 1_000, []
    for at in range(40):
        begins, ends = at - rng.uniform(0, 6), at + rng.uniform(0, 6)
        if rng.random() < 0.5:
            steps.append(step(begins, ends, saw(balance)))
        else:
            change = rng.randint(-15, 15)
            balance += change
            steps.append(step(begins, ends, debit(-change) if change < 0 else credit(change)))
    assert explain(steps, Standing(1_000)) is None
    wrong = step(50, 51, moved(0, balance + 1_000))
    assert explain([*steps, wrong], Standing(1_000)) is not None
