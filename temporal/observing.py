"""Around every attempt at a step: what its log lines are about, and what is told of it."""

import time

from loguru import logger
from temporalio import activity
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from payflow.domain.observing import Attempt, Observer
from payflow.observability.context import about
from temporal.carrying import request_id_in


class Observing(ClientInterceptor, WorkerInterceptor):
    """Given to a client, its workers have it as well; it touches no workflow."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Watch each activity of a worker; the parameter's name is the SDK's."""
        return _Watched(next, self._observer)


class _Watched(ActivityInboundInterceptor):
    def __init__(self, watched: ActivityInboundInterceptor, observer: Observer) -> None:
        super().__init__(watched)
        self._observer = observer

    async def execute_activity(self, input: ExecuteActivityInput) -> object:  # noqa: A002
        """Run the attempt; an exception is one that did not answer."""
        info = activity.info()
        begun, answered = time.perf_counter(), False
        with about(
            request_id=request_id_in(input.headers),
            workflow_id=info.workflow_id,
            transfer_id=_transfer_of(input, info),
            step=info.activity_type,
            attempt=str(info.attempt),
        ):
            try:
                result = await super().execute_activity(input)
                answered = True
                return result
            except Exception as error:
                # what an error says may be somebody's text: Temporal keeps it, encrypted
                logger.warning("{} did not answer: {}", info.activity_type, type(error).__name__)
                raise
            finally:
                took_s = time.perf_counter() - begun
                self._observer.tried(
                    Attempt(info.activity_type, _lane(info), info.attempt, took_s, answered)
                )


def _transfer_of(input: ExecuteActivityInput, info: activity.Info) -> str | None:  # noqa: A002
    """The transfer an activity is about: its argument says so, or its workflow's id."""
    named = getattr(input.args[0], "transfer_id", None) if input.args else None
    if named is not None:
        return str(named)
    kind, _, transfer_id = (info.workflow_id or "").partition("/")
    return transfer_id if kind == "transfer" else None


def _lane(info: activity.Info) -> str:
    """Which lane of ``temporal.policies`` an attempt runs in."""
    if info.is_local:
        return "fast"
    return "durable" if info.schedule_to_close_timeout else "parked"
