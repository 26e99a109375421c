"""How transfers are asked for by whether they have ended, and how.

Never by their status alone, though it says the same: an update that changes a field of any index
makes MongoDB compute the keys of all of them, before and after it, and the status changes with
every leg. When a transfer ended and why it failed change once (200 moves: 4 ms; with the status
in an index, or in a filter of one, 35-50 ms).
"""

from typing import Any

from payflow.domain.transfers import FailureCode, TransferStatus

UNFINISHED: dict[str, Any] = {"completed_at": None}
HAS_ENDED: dict[str, Any] = {"completed_at": {"$type": "date"}}
WHY_NOT = "failure.code"
# The indexes of both, and of a person's: OPEN is small, as the door keeps it.
OPEN, PARTY_UNFINISHED = "unfinished", "party_unfinished"
OUTCOME, PARTY_OUTCOME = "outcome", "party_outcome"

_FAILURES = [code.value for code in FailureCode]


def standing(status: TransferStatus) -> dict[str, Any]:
    """The query of the transfers in that state, which an index answers."""
    if not status.is_terminal:
        return {"status": status.value, **UNFINISHED}
    failed = status is TransferStatus.FAILED
    return {"status": status.value, **HAS_ENDED, WHY_NOT: {"$in": _FAILURES} if failed else None}
