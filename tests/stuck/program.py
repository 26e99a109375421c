"""``payflow``, with a bug in the transfers' workflow as long as a file says so.

It stands for a release that must be rolled back: the workflow's task fails for every transfer of
``AMOUNT`` or more, which no verb can mend. Without the file the same program is sound.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Worker,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

import workers.built
from cli.main import app
from temporal.names import AMOUNT_BAND

BUG_FILE = "PAYFLOW_TEST_BUG_FILE"
BAND = "1e6-1e7"  # of the transfers that meet the bug


class _Bug(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002
        if workflow.info().typed_search_attributes.get(AMOUNT_BAND) == BAND:
            raise RuntimeError("a bug: amounts of seven digits are not thought of")
        return await super().execute_workflow(input)


class _WithBug(Interceptor):
    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002
    ) -> type[WorkflowInboundInterceptor]:
        return _Bug


def _release() -> None:
    vars(workers.built)["Worker"] = partial(Worker, interceptors=[_WithBug()])


if __name__ == "__main__":
    if Path(os.environ[BUG_FILE]).exists():
        _release()
    app()
