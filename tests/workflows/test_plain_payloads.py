"""Messages without encoded payloads are not searched for any; those with some still are."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio import workflow
from temporalio.bridge import worker as bridge
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from payflow.settings import Settings
from temporal.client import data_converter
from temporal.plain_payloads import pass_plain_payloads
from tests.unit.test_codec import ONE, keys

QUEUE = "plain-payloads"
WALKS = ("decode_activation", "encode_completion")


@workflow.defn
class Echo:
    """Says what it is told."""

    @workflow.run
    async def run(self, said: str) -> str:
        return said


@dataclass
class Walks:
    """Which of the SDK's walks were made."""

    made: list[str] = field(default_factory=list)


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> Walks:
    counted = Walks()

    def count(name: str) -> None:
        original = getattr(bridge, name)
        walk = getattr(original, "walks", original)

        async def counting(*args: Any, **how: Any) -> Any:
            counted.made.append(name)
            return await walk(*args, **how)

        monkeypatch.setattr(bridge, name, counting)

    for name in WALKS:
        count(name)
    return counted


async def echoed(client: Client, workflow_id: str) -> str:
    async with Worker(
        client, task_queue=QUEUE, workflows=[Echo], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        return await client.execute_workflow(Echo.run, "hello", id=workflow_id, task_queue=QUEUE)


async def test_the_sdk_walks_for_nothing(temporal: WorkflowEnvironment, walks: Walks) -> None:
    # the day this fails, our way around it may go
    assert await echoed(temporal.client, "walked") == "hello"
    assert {*walks.made} == {*WALKS}


async def test_plain_payloads_pass(temporal: WorkflowEnvironment, walks: Walks) -> None:
    pass_plain_payloads()
    assert await echoed(temporal.client, "plain") == "hello"
    assert walks.made == []


async def test_sealed_payloads_are_opened(temporal: WorkflowEnvironment, walks: Walks) -> None:
    pass_plain_payloads()
    pass_plain_payloads()  # which adds nothing to the first
    converter = data_converter(Settings(codec_keys=keys(one=ONE)))
    client = Client(
        temporal.client.service_client,
        namespace=temporal.client.namespace,
        data_converter=converter,
    )
    assert await echoed(client, "sealed") == "hello"
    assert {*walks.made} == {*WALKS}
