"""Plain words for people who look at a saga in Temporal's UI: what is wrong, what comes next."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from temporalio import exceptions
from temporalio.exceptions import ApplicationError, FailureError

from payflow.domain.ledger import Leg
from payflow.domain.transfers import Transfer
from temporal.policies import ABSENT, ABSENT_FOR

# What the driver's and our own errors mean to somebody who knows neither.
_MEANINGS = MappingProxyType(
    {
        "ServerSelectionTimeoutError": "MongoDB has no primary that answers",
        "NotPrimaryError": "MongoDB has no primary",
        "AutoReconnect": "the connection to MongoDB broke",
        "NetworkTimeout": "MongoDB did not answer in time",
        "ConnectionFailure": "MongoDB cannot be reached",
        "ConnectionError": "the books cannot be reached",
        "WTimeoutError": "MongoDB has no majority that confirms what it writes",
        "ExecutionTimeout": "MongoDB took too long",
        "WriteConflict": "another process keeps writing to the same wallet",
        "OutcomeUnknown": "it is not known whether MongoDB committed it",
        "BooksUnavailable": "MongoDB cannot be reached",
    }
)
_REFUSED_BY_MONGODB = frozenset({"BulkWriteError", "WriteError", "OperationFailure"})
_ERRMSG = re.compile(r"'errmsg': '([^']{1,80})'")
_ABSENT_FOR_S = ABSENT_FOR.total_seconds()
_LONGEST = 160  # characters of an error that has no words of its own

_DOES = MappingProxyType(
    {
        Leg.DEBIT: ("The debit", "The money is still with the payer."),
        Leg.CREDIT: ("The credit", "The money has left the payer and is in transit."),
        Leg.REFUND: ("The refund", "The money is in transit, on its way back to the payer."),
        Leg.POST: ("The post", "The money has arrived; only the end is not written down."),
    }
)


@dataclass(frozen=True, slots=True)
class Links:
    """Where people go on from a saga: ``api`` is the API's address, ``runbook`` a page."""

    api: str = ""
    runbook: str = "docs/operations.md"


def static_summary(transfer: Transfer, band: str) -> str:
    """One line for a list: what the transfer is, without an amount or a person."""
    return (
        f"{transfer.money.currency} {band}: "
        f"{transfer.source_wallet_id} to {transfer.destination_wallet_id}"
    )


def static_details(transfer_id: str, links: Links) -> str:
    """Markdown: where to read what happened, and what to do when it stands still."""
    return (
        f"[Timeline]({links.api}/v1/transfers/{transfer_id}/timeline): every step, attempt, entry "
        f"and act, in order.\n\n[If it needs attention]({links.runbook}#parked): "
        "`retry`, `refund`, `resolve`, `pause`, `resume`, with `operator` and `reason`."
    )


def why(failure: FailureError) -> str:
    """The reason nearest to the cause that has words, of an attempt that failed."""
    reason = "it gave no answer in time"
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ApplicationError):
            reason = _in_words(cause)
        elif isinstance(cause, exceptions.TimeoutError) and cause.cause is None:
            reason = "its last attempt did not end in time"
        cause = cause.__cause__
    return reason


def being_tried(leg: Leg) -> str:
    """One line beside an attempt: what it does."""
    return f"{_DOES[leg][0]} is tried until it answers"


def retrying(leg: Leg, reason: str, since: datetime, parks_after: timedelta) -> str:
    """A step that does not answer, and is tried again soon."""
    what, where = _DOES[leg]
    return (
        f"**{what} has not answered since {_clock(since)}**: {reason}. {where}\n\n"
        f"Next: it is tried again every few seconds until {_clock(since + parks_after)}, from then "
        "on once a minute (see *Pending activities* for the next try). "
        f"Let it go on, {_choices(leg)}."
    )


def parked(leg: Leg, reason: str, since: datetime) -> str:
    """A step that nobody could take for long: it needs an operator."""
    what, where = _DOES[leg]
    return (
        f"**{what} has not answered since {_clock(since)}**: {reason}. {where}\n\n"
        "Next: it is tried once a minute (see *Pending activities* for the next try), for ever. "
        f"Mend the cause and `retry`, {_choices(leg)}."
    )


def paused(leg: Leg, operator: str, reason: str, since: datetime) -> str:
    """A saga that an operator holds."""
    what, where = _DOES[leg]
    return (
        f"**Paused since {_clock(since)} by {operator}**: {reason}. {where}\n\n"
        f"Next: nothing, until an operator sends `resume`. {what} is not tried."
    )


def not_in_ledger(what: str) -> str:
    """A workflow that ends itself: nothing of what it is about is in the ledger."""
    return (
        f"The ledger does not have {what}: its majority was asked twice, {int(_ABSENT_FOR_S)} s "
        "apart. The workflow ends itself; no money moved. A backup of the ledger older than "
        "Temporal's was restored: docs/operations.md#back-up-and-restore"
    )


def is_absence(failure: FailureError) -> bool:
    """Whether the step failed because it did not find what it is about."""
    cause = failure.cause if isinstance(failure, exceptions.ActivityError) else failure
    return isinstance(cause, ApplicationError) and cause.type in ABSENT


def giving_back(operator: str) -> str:
    """An operator's refund under way."""
    return f"**{operator} gives the money back**: what is in doubt is settled, then refunded."


def _choices(leg: Leg) -> str:
    if leg is Leg.REFUND:
        return "or `resolve` it when the money was given back by other means"
    if leg is Leg.POST:
        return "there is nothing to give back"
    if leg is Leg.DEBIT:
        return "or end it with `refund`"
    return "`refund` it, or `resolve` it when the money was brought there by other means"


def _in_words(error: ApplicationError) -> str:
    kind = error.type or ""
    if kind in _REFUSED_BY_MONGODB:
        said = _ERRMSG.search(error.message)
        return f"MongoDB refuses to write it ({said[1] if said else kind})"
    if kind in _MEANINGS:
        return _MEANINGS[kind]
    return error.message.splitlines()[0][:_LONGEST] if error.message else kind


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"
