"""``payflow replay --from-namespace``: passes on a live stack, and catches a swapped workflow."""

import asyncio
import re

import pytest
from temporalio.client import Client
from typer.testing import CliRunner

from cli import replay
from cli.main import app
from cli.stack import EmbeddedStack
from temporal.converter import DATA_CONVERTER
from tests.e2e.bank import bank_of
from tests.workflows.swapped import (
    ClosesBatchFirst,
    CreditBeforeDebit,
    RestsBeforeItProves,
    TriesBeforeItWaits,
)

SWAPPED = (CreditBeforeDebit, ClosesBatchFirst, TriesBeforeItWaits, RestsBeforeItProves)


@pytest.fixture(scope="module")
async def workflow_id(single: EmbeddedStack) -> str:
    async with bank_of(single) as bank:
        alice, bob = await bank.funded(100), await bank.person("bob")
        return str((await bank.send(alice, bob, 10, wait_s=20))["workflow_id"])


@pytest.fixture(autouse=True)
def addressed(single: EmbeddedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment leads to the running stack, as in containers."""
    monkeypatch.setenv("PAYFLOW_MONGO_URL", single.addresses.mongo_url)
    monkeypatch.setenv("PAYFLOW_TEMPORAL_ADDRESS", single.addresses.temporal_address)
    monkeypatch.setenv("COLUMNS", "300")


async def run(*words: str) -> tuple[int, str]:
    done = await asyncio.to_thread(CliRunner().invoke, app, ["replay", *words])
    return done.exit_code, done.output


async def listed(single: EmbeddedStack, workflow_id: str) -> str:
    """A filter for the one workflow, once Temporal lists it as completed."""
    temporal = await Client.connect(
        single.addresses.temporal_address, data_converter=DATA_CONVERTER
    )
    query = f'WorkflowId = "{workflow_id}"'
    async with asyncio.timeout(30):
        while (
            await temporal.count_workflows(f'{query} AND ExecutionStatus = "Completed"')
        ).count != 1:
            await asyncio.sleep(0.2)
    return query


async def test_live_histories_replay(single: EmbeddedStack, workflow_id: str) -> None:
    await listed(single, workflow_id)
    code, said = await run("--from-namespace", "--limit", "5")
    assert code == 0, said
    assert re.search(r"^Transfer +Completed", said, re.MULTILINE), said
    assert "histories replay with the code at hand." in said


async def test_a_swapped_workflow_is_caught(
    single: EmbeddedStack, workflow_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = await listed(single, workflow_id)
    assert await run("--from-namespace", "--query", query) == (
        0,
        "workflow  status     replayed  broken\n"
        "Transfer  Completed  1         0     \n"
        "All 1 histories replay with the code at hand.\n",
    )
    monkeypatch.setattr(replay, "WORKFLOWS", SWAPPED)
    code, said = await run("--from-namespace", "--query", query)
    assert code == 1
    assert f"✗ {workflow_id} (run " in said
    assert "TMPRL1100" in said
    assert "1 of 1 histories do not replay." in said
    assert "`workflow.patched`" in said


async def test_what_cannot_be_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = await run("--from-namespace", "--query", "colour = 'red'")
    assert (code, "does not understand the query" in said) == (2, True), said
    assert await run() == (2, "Say whose histories to replay: --from-namespace.\n")
    none = await run("--from-namespace", "--query", 'WorkflowId = "nobody"')
    assert (none[0], "There is no history to replay." in none[1]) == (0, True)
    monkeypatch.setenv("PAYFLOW_TEMPORAL_ADDRESS", "127.0.0.1:1")
    code, said = await run("--from-namespace")
    assert (code, said) == (2, "Temporal does not answer: is the stack running?\n")
