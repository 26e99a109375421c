"""A wallet is written by its id alone, whatever version of it was read or guessed."""

from collections.abc import Iterable
from typing import Any

from payflow.domain.ledger import JournalEntry, Snapshot
from payflow.storage import posting_group
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = (
    "tests/contracts/test_guesses.py::test_a_wallet_that_was_frozen_meanwhile_pays_nobody",
)


def _unguarded(entries: Iterable[JournalEntry], snapshot: Snapshot) -> list[dict[str, Any]]:
    last = {entry.change.wallet_id: entry.change for entry in entries if entry.change}
    return [
        {
            "q": {"_id": wallet_id},
            "u": {"$set": {"balance": change.balance_after, "sequence": change.wallet_sequence}},
        }
        for wallet_id, change in last.items()
    ]


def plant() -> None:
    replace_in("wallet_updates", _unguarded, posting_group)
