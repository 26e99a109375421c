"""The point between two steps: an interceptor that only the composition of tests installs."""

from typing import Any

from temporalio import workflow
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from payflow.domain.crash_points import At, CrashPoint, CrashPoints


class Holding(ClientInterceptor, Interceptor):
    """Given to a client, its workers hold their stories still before a step is asked for."""

    def __init__(self, points: CrashPoints) -> None:
        self._points = points

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002  # the SDK's signature
    ) -> type[WorkflowInboundInterceptor]:
        """Stand around each workflow; it gets no other command by it."""
        points = self._points

        class _Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(_Outbound(outbound, points))

        return _Inbound


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, following: WorkflowOutboundInterceptor, points: CrashPoints) -> None:
        super().__init__(following)
        self._points = points

    def start_activity(
        self,
        input: StartActivityInput,  # noqa: A002
    ) -> workflow.ActivityHandle[Any]:
        self._hold(input.activity)
        return super().start_activity(input)

    def start_local_activity(
        self,
        input: StartLocalActivityInput,  # noqa: A002
    ) -> workflow.ActivityHandle[Any]:
        self._hold(input.activity)
        return super().start_local_activity(input)

    def _hold(self, step: str) -> None:
        if not workflow.unsafe.is_replaying():
            _, _, subject = workflow.info().workflow_id.partition("/")
            self._points.hold(CrashPoint.BETWEEN_STEPS, At(step, subject))
