"""Spans of workflows and activities, where their trace is recorded.

The SDK's interceptor makes a span for every call and hands its context on in a header, recorded
or not. Nine traces of ten are not, and cost a transfer as much as those that are. Here a trace
that is not recorded is not handed on, and what came without one is not looked at again.
"""

from typing import Any

from opentelemetry import trace
from temporalio import workflow
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)
from temporalio.contrib.opentelemetry import (
    TracingInterceptor,
    TracingWorkflowInboundInterceptor,
)
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)
from temporalio.worker import Interceptor as WorkerInterceptor


class RecordedTraces(Interceptor, WorkerInterceptor):
    """Given to a client, its workers have it as well."""

    def __init__(self) -> None:
        self._tracing = TracingInterceptor()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Trace what is started within a recorded trace; the name is the SDK's."""
        return _Starting(next, self._tracing.intercept_client(next))

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Trace an attempt that was handed a trace."""
        header = self._tracing.header_key
        return _Attempting(next, self._tracing.intercept_activity(next), header)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002
    ) -> type[WorkflowInboundInterceptor]:
        """Trace a workflow that was handed a trace."""
        self._tracing.workflow_interceptor_class(input)  # it leaves there what ours is to call
        return _Telling


class _Starting(OutboundInterceptor):
    def __init__(self, plain: OutboundInterceptor, traced: OutboundInterceptor) -> None:
        super().__init__(traced)
        self._plain = plain

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        """Start it, with the trace when there is one."""
        return await self._chosen().start_workflow(input)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> WorkflowUpdateHandle[Any]:
        """Start it, with the trace when there is one."""
        return await self._chosen().start_update_with_start_workflow(input)

    def _chosen(self) -> OutboundInterceptor:
        recorded = trace.get_current_span().get_span_context().trace_flags.sampled
        return self.next if recorded else self._plain


class _Attempting(ActivityInboundInterceptor):
    def __init__(
        self, plain: ActivityInboundInterceptor, traced: ActivityInboundInterceptor, header: str
    ) -> None:
        super().__init__(traced)
        self._plain = plain
        self._header = header

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - the SDK's
        """Run it, under a span when it belongs to a trace."""
        chosen = self.next if self._header in input.headers else self._plain
        return await chosen.execute_activity(input)


class _Telling(TracingWorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - the SDK's
        """Run it, under a span when it belongs to a trace."""
        is_traced = self.header_key in workflow.info().headers
        if is_traced:
            return await super().execute_workflow(input)
        return await self.next.execute_workflow(input)
