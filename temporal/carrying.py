"""Carries a request's id from the API to the log lines of the steps that follow from it.

It travels in a header beside the workflow's arguments. Headers are no part of a command's
identity, so a history that was recorded without them replays as it did.
"""

from collections.abc import Mapping
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)
from temporalio.worker import Interceptor as WorkerInterceptor
from temporalio.worker import (
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from payflow.observability.context import facts

REQUEST_ID = "payflow-request-id"

Headers = Mapping[str, Payload]


class Carrying(Interceptor, WorkerInterceptor):
    """Given to a client, its workers have it as well."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Send the id of the request under way with what it starts; the name is the SDK's."""
        return _Sending(next)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002
    ) -> type[WorkflowInboundInterceptor]:
        """Hand it on from workflows to their activities."""
        return _Receiving


def request_id_in(headers: Headers) -> str | None:
    """The id a header carries."""
    carried = headers.get(REQUEST_ID)
    return carried.data.decode() if carried is not None else None


def _with_request_id(headers: Headers) -> Headers:
    request_id = facts().get("request_id")
    if request_id is None:
        return headers
    payload = Payload(metadata={"encoding": b"binary/plain"}, data=request_id.encode())
    return {**headers, REQUEST_ID: payload}


class _Sending(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        """Start it with the id."""
        input.headers = _with_request_id(input.headers)
        return await super().start_workflow(input)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> WorkflowUpdateHandle[Any]:
        """Start it with the id."""
        start = input.start_workflow_input
        start.headers = _with_request_id(start.headers)
        return await super().start_update_with_start_workflow(input)


class _Receiving(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Put ourselves between the workflow and its activities."""
        super().init(_HandingOn(outbound))


class _HandingOn(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002
        """Start it with the id."""
        input.headers = _with_own(input.headers)
        return super().start_activity(input)

    def start_local_activity(
        self,
        input: StartLocalActivityInput,  # noqa: A002
    ) -> workflow.ActivityHandle[Any]:
        """Start it with the id."""
        input.headers = _with_own(input.headers)
        return super().start_local_activity(input)


def _with_own(headers: Headers) -> Headers:
    carried = workflow.info().headers.get(REQUEST_ID)
    return headers if carried is None else {**headers, REQUEST_ID: carried}
