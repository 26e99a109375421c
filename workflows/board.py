"""What operators see of a saga in Temporal: nothing while it runs well, plain words when not.

A change of search attributes is an event in the history, so they change on trouble only; the
current details cost none.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError

with workflow.unsafe.imports_passed_through():
    from activities.ledger import LedgerActivities, Parking
    from payflow.domain.ledger import LEAVES, Leg
    from temporal import wording
    from temporal.names import FAILING_STEP, NEEDS_ATTENTION, STATE, UNKNOWN
    from temporal.policies import LISTED_AFTER, PARKED_LANE

_ALL = (NEEDS_ATTENTION, FAILING_STEP, STATE)


class Board:
    """Of one saga: the step that does not answer, since when and why."""

    def __init__(self, transfer_id: str, parks_after: timedelta) -> None:
        self._transfer_id = transfer_id
        self._parks_after = parks_after
        self._shown: dict[str, Any] = {}
        self._before: tuple[dict[str, Any], str] | None = None
        self._aside: list[asyncio.Task[None]] = []
        self._marked = False
        self._since: datetime | None = None

    def retrying(self, leg: Leg, failure: FailureError) -> None:
        """The step is slow: it is listed as such when it has been so for long."""
        self._since = workflow.now()
        self._show({STATE.name: LEAVES[leg].value})
        reason = wording.why(failure)
        self._tell(wording.retrying(leg, reason, self._since, self._parks_after))
        if self._parks_after > LISTED_AFTER:
            self._aside.append(asyncio.create_task(self._list_later(leg)))

    def parked(self, leg: Leg, failure: FailureError) -> None:
        """Nobody could take the step for long: in Temporal at once, in the books when they can."""
        self._show(_attention(leg))
        since = self._since or workflow.now()
        self._tell(wording.parked(leg, wording.why(failure), since))
        self._mark(leg)

    def paused(self, leg: Leg, operator: str, reason: str) -> None:
        """An operator holds the saga."""
        if self._before is None:
            self._before = (self._shown, workflow.get_current_details())
        self._show(_attention(leg))
        self._tell(wording.paused(leg, operator, reason, workflow.now()))
        self._mark(leg)

    def resumed(self) -> None:
        """It goes on, as it was before it was paused."""
        if self._before is not None:
            shown, told = self._before
            self._before = None
            self._show(shown)
            self._tell(told)

    def unknown(self) -> None:
        """The ledger does not have the transfer: the workflow is about to end itself."""
        self.clear()
        self._show({STATE.name: UNKNOWN})
        self._tell(wording.not_in_ledger(f"transfer {self._transfer_id}"))

    def clear(self) -> None:
        """The step has answered."""
        for task in self._aside:
            task.cancel()
        self._aside.clear()
        self._marked, self._since, self._before = False, None, None
        if self._shown:
            self._show({})
            self._tell("")

    def _show(self, wanted: dict[str, Any]) -> None:
        keys: tuple[Any, ...] = _ALL
        changes = [
            key.value_unset() if wanted.get(key.name) is None else key.value_set(wanted[key.name])
            for key in keys
            if wanted.get(key.name) != self._shown.get(key.name)
        ]
        if changes:
            workflow.upsert_search_attributes(changes)
        self._shown = wanted

    def _tell(self, text: str) -> None:
        workflow.set_current_details(text)

    async def _list_later(self, leg: Leg) -> None:
        await workflow.sleep(LISTED_AFTER, summary=f"list the {leg} as slow")
        if NEEDS_ATTENTION.name not in self._shown:
            self._show({**self._shown, FAILING_STEP.name: leg.value})

    def _mark(self, leg: Leg) -> None:
        if not self._marked:
            self._marked = True
            self._aside.append(asyncio.create_task(self._flag(leg)))

    async def _flag(self, leg: Leg) -> None:
        with suppress(ActivityError):  # cancelled once the step has answered
            await workflow.execute_activity_method(
                LedgerActivities.park,
                Parking(self._transfer_id, LEAVES[leg]),
                start_to_close_timeout=PARKED_LANE.start_to_close,
                retry_policy=PARKED_LANE.retry,
                summary="Flag the transfer in the books: it needs attention",
            )


def _attention(leg: Leg) -> dict[str, Any]:
    return {
        NEEDS_ATTENTION.name: True,
        FAILING_STEP.name: leg.value,
        STATE.name: LEAVES[leg].value,
    }
