"""Whether what a workflow is about is in the ledger at all, asked once more before it ends itself.

A step that does not find its transfer proves nothing by that: a commit may be in doubt, or an old
primary may have answered. Only what the majority does not have after ``ABSENT_FOR`` is not there.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from temporal.names import NOT_IN_LEDGER
    from temporal.policies import ABSENT_FOR, RECORD_LANE
    from temporal.wording import not_in_ledger

A = TypeVar("A")
Find = Callable[[Any, A], Awaitable[bool]]


async def is_in_ledger(find: Find[A], argument: A) -> bool:
    """What the majority says after a while; an ask that is not answered ends nothing."""
    await workflow.sleep(ABSENT_FOR, summary="absence proves nothing yet")
    with suppress(ActivityError):
        found: bool = await workflow.execute_activity_method(
            find,
            argument,
            start_to_close_timeout=RECORD_LANE.start_to_close,
            schedule_to_close_timeout=RECORD_LANE.altogether,
            retry_policy=RECORD_LANE.retry,
            summary="Ask the ledger's majority whether it has this at all",
        )
        return found
    return True


def end_as_unknown(what: str) -> NoReturn:
    """End the workflow as failed, with the reason; the sweep starts what is there after all."""
    raise ApplicationError(not_in_ledger(what), type=NOT_IN_LEDGER, non_retryable=True)
