"""A refusal is answered and not recorded, so that the same leg may be granted later."""

from collections.abc import Sequence
from datetime import datetime

import payflow.storage.posting_group
from payflow.domain import ledger
from payflow.domain.ledger import LegRequest, Outcome, Snapshot, Verdict
from tests.planted.planting import Reach, replace_in

REACH = Reach.UNIT
CAUGHT_BY = ("tests/unit/test_ledger.py::test_a_debit_is_refused_and_the_transfer_fails",)
_decide = ledger.decide


def _forgetting(legs: Sequence[LegRequest], snapshot: Snapshot, now: datetime) -> Verdict:
    verdict = _decide(legs, snapshot, now)
    kept = [one for one in verdict.entries if one.answer.outcome is not Outcome.REFUSED]
    return Verdict(verdict.answers, kept)


def plant() -> None:
    replace_in("decide", _forgetting, ledger, payflow.storage.posting_group)
