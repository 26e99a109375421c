"""The proof's section: what it claims of its turns, and what a short past is worth."""

from benchmarks.options import FULL, PROOF_OF_THE_MARK, QUICK
from benchmarks.run import SECTIONS
from benchmarks.sections.proof import LONG, SHORT, SHORT_OF_LONG, row


def test_the_ratio_is_of_turns_side_by_side() -> None:
    found = row({LONG: [0.3, 0.2], SHORT: [0.2, 0.2]}, {LONG: PROOF_OF_THE_MARK, SHORT: 10_000})

    assert found.samples == (1.4999999999999998, 1.0)
    assert found.short == ""
    assert not found.mark.is_met(1.6, found.mark.must)
    assert found.mark.is_met(1.4, found.mark.must)


def test_a_shorter_past_says_so() -> None:
    pasts = {LONG: QUICK.proven, SHORT: QUICK.proven // SHORT_OF_LONG}

    assert "20,000" in row({LONG: [0.2], SHORT: [0.2]}, pasts).short
    assert FULL.proven == 100 * 10_000
    assert "proof" in SECTIONS
