"""The saved queries operators find sagas by, in Temporal's UI and CLI alike.

Docs and ``payflow doctor`` print them from here. None names a time: a saga is listed because it
said itself that it is in trouble, so a query saved once is right for ever.
"""

from dataclasses import dataclass

from temporal import names


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query with its name and what it means that something is listed."""

    name: str
    query: str
    meaning: str


_RUNNING = 'ExecutionStatus = "Running"'

PARKED = SavedQuery(
    "Parked",
    f"{names.NEEDS_ATTENTION.name} = true AND {_RUNNING}",
    "A step has not answered for PAYFLOW_PARK_AFTER_S, or an operator has paused it: it is tried "
    "once a minute at most and waits for a verb.",
)
RETRYING = SavedQuery(
    "Retrying for more than a minute",
    f"{names.FAILING_STEP.name} IS NOT NULL AND {names.NEEDS_ATTENTION.name} IS NULL "
    f"AND {_RUNNING}",
    "A step is tried again and again, and may yet answer: look for a common cause.",
)
CANNOT_RUN = SavedQuery(
    "Cannot run",
    'TemporalReportedProblems IN ("category=WorkflowTaskFailed", "category=WorkflowTaskTimedOut") '
    f"AND {_RUNNING}",
    "The workflow's code fails (a bug), so it answers no verb: deploy the fix, or reset it.",
)
COMPENSATING = SavedQuery(
    "Compensating",
    f'{names.STATE.name} = "refunding" AND {_RUNNING}',
    "The money is on its way back to the payer, and that does not go through at once.",
)

NOT_IN_LEDGER = SavedQuery(
    "Not in the ledger",
    f'{names.STATE.name} = "{names.UNKNOWN}" AND ExecutionStatus = "Failed"',
    "The ledger's majority does not have the transfer or batch, so the workflow has ended itself "
    "and moved nothing: a backup of the ledger older than Temporal's was restored.",
)

SAVED = (PARKED, RETRYING, CANNOT_RUN, COMPENSATING, NOT_IN_LEDGER)


def by_wallet(wallet_id: str) -> SavedQuery:
    """The transfers from or to one wallet; ``wal_…`` stands for it in the docs."""
    either = f'{names.SOURCE.name} = "{wallet_id}" OR {names.DESTINATION.name} = "{wallet_id}"'
    return SavedQuery("By wallet", either, "All transfers from or to one wallet.")
