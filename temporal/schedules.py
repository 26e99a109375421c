"""Schedules: what Temporal starts by itself, made when missing and kept to the settings."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from temporal.names import (
    MAINTENANCE_QUEUE,
    PROOF_SCHEDULE_ID,
    PROOF_WORKFLOW,
    PROOF_WORKFLOW_ID,
)
from temporal.policies import PROOF_CATCH_UP


@dataclass(frozen=True, slots=True)
class ProofOrder:
    """What a pass is to do; ``full`` folds everything from the beginning."""

    full: bool = False


async def ensure_proof_schedule(client: Client, every_s: float) -> None:
    """A pass every so many seconds, the first at once; one that takes longer is let end."""
    wanted = _schedule(every_s)
    try:
        await client.create_schedule(PROOF_SCHEDULE_ID, wanted, trigger_immediately=True)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(PROOF_SCHEDULE_ID).update(_keep_to(wanted))


def _keep_to(wanted: Schedule) -> "_Updater":
    return _Updater(wanted)


@dataclass(frozen=True, slots=True)
class _Updater:
    """Changes the interval when it is another one; what an operator paused stays paused."""

    wanted: Schedule

    def __call__(self, found: ScheduleUpdateInput) -> ScheduleUpdate | None:
        schedule = found.description.schedule
        if schedule.spec.intervals == self.wanted.spec.intervals:
            return None
        schedule.spec = self.wanted.spec
        return ScheduleUpdate(schedule)


def _schedule(every_s: float) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            PROOF_WORKFLOW, ProofOrder(), id=PROOF_WORKFLOW_ID, task_queue=MAINTENANCE_QUEUE
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=every_s))]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=PROOF_CATCH_UP),
    )
