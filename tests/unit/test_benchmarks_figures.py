"""A benchmark's figures: what reaches a mark, what is a ratio, what suffices instead."""

from dataclasses import replace

import pytest

from benchmarks.errors import BenchFailed
from benchmarks.figures import Mark, Row, each, percentile, ratios

AT_LEAST = Mark(2.0, 3.0)
AT_MOST = Mark(3.0, 2.0, more_is_better=False)


def row(*samples: float, mark: Mark = AT_LEAST, short: str = "") -> Row:
    return Row("key", "figure", samples, mark, "against", short=short)


@pytest.mark.parametrize(
    ("mark", "value", "verdict"),
    [
        (AT_LEAST, 1.999, "**missed**"),
        (AT_LEAST, 2.0, "reached"),
        (AT_LEAST, 2.999, "reached"),
        (AT_LEAST, 3.0, "aim reached"),
        (AT_MOST, 3.001, "**missed**"),
        (AT_MOST, 3.0, "reached"),
        (AT_MOST, 2.0, "aim reached"),
    ],
)
def test_a_verdict_is_of_the_value_as_it_is(mark: Mark, value: float, verdict: str) -> None:
    assert mark.verdict(value) == verdict


def test_a_row_is_judged_by_its_median() -> None:
    judged = row(9.0, 1.0, 1.5)

    assert judged.value == 1.5
    assert judged.verdict == "**missed**"


def test_a_short_measurement_proves_nothing() -> None:
    assert row(2.5, short="with 2 of 9").verdict == "reached, but only with 2 of 9"


def test_a_missed_row_whose_alternative_is_reached_says_that_one_suffices() -> None:
    missed, reached = row(1.0), row(2.5)

    verdict = replace(missed, instead=reached).verdict

    assert verdict == "missed, its alternative is reached: one of the two suffices"


def test_two_alternatives_that_are_both_missed_stay_missed() -> None:
    assert replace(row(1.0), instead=row(1.5)).verdict == "**missed**"


def test_a_reached_row_does_not_lean_on_its_alternative() -> None:
    assert replace(row(2.5), instead=row(1.0)).verdict == "reached"


def test_the_facts_hold_every_sample_and_the_verdict_without_its_stars() -> None:
    facts = row(1.0, 1.5).facts()

    assert facts["samples"] == [1.0, 1.5]
    assert facts["median"] == 1.25
    assert facts["verdict"] == "missed"


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([4.0, 9.0], [2.0, 3.0]) == (2.0, 3.0)


def test_a_rival_that_did_nothing_is_no_rival() -> None:
    with pytest.raises(BenchFailed):
        ratios([1.0, 1.0], [1.0, 0.0])


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 51), (0.95, 96), (1.0, 100)])
def test_a_percentile_is_one_of_the_values(share: float, value: int) -> None:
    assert percentile([*range(100, 0, -1)], share) == value


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(BenchFailed):
        percentile([], 0.5)


def test_each_takes_one_number_of_every_sample() -> None:
    assert each(["a", "bcd"], len) == [1, 3]
