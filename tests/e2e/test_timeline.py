"""A transfer's timeline tells the same before and after Temporal has forgotten the transfer."""

import asyncio
import xml.etree.ElementTree as ET
from typing import Any

import httpx
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cli.stack import EmbeddedStack
from temporal.converter import DATA_CONVERTER
from tests.e2e.bank import Bank, Json, Person

SVG = {"Accept": "image/svg+xml"}
FAILS = {"failure_type": "error", "failure_rate": 1}


@pytest.fixture
async def temporal(stack: EmbeddedStack) -> Client:
    return await Client.connect(stack.addresses.temporal_address, data_converter=DATA_CONVERTER)


async def read(bank: Bank, who: Person, transfer_id: str, **headers: str) -> httpx.Response:
    path = f"/v1/transfers/{transfer_id}/timeline"
    answer = await bank.ask("GET", path, who, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def sealed(bank: Bank, who: Person, transfer_id: str) -> httpx.Response:
    """The timeline once it is sealed: within 10 s of the end."""
    async with asyncio.timeout(10):
        while not (answer := await read(bank, who, transfer_id)).json()["sealed"]:
            await asyncio.sleep(0.2)
    return answer


def rows(timeline: Json, kind: str) -> list[Json]:
    return [row for row in timeline["data"] if row["kind"] == kind]


async def forget(client: Client, workflow_id: str) -> None:
    """Delete the workflow, and see that it is gone."""
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        )
    )
    async with asyncio.timeout(20):
        while True:
            try:
                await client.get_workflow_handle(workflow_id).describe()
            except RPCError as error:
                assert error.status is RPCStatusCode.NOT_FOUND
                return
            await asyncio.sleep(0.1)


async def retried(bank: Bank, operator: Person, alice: Person, bob: Person) -> Json:
    """A transfer whose credit comes to the second lane."""
    await bank.rehearse(operator, {"step": "credit", **FAILS})
    sent = await bank.send(alice, bob, 100)
    await bank.until(alice, sent["id"], "debited")
    await asyncio.sleep(2)
    return sent


async def parked(bank: Bank, operator: Person, alice: Person, bob: Person) -> Json:
    await bank.rehearse(operator, {"step": "credit", **FAILS})
    sent = await bank.send(alice, bob, 100)
    async with asyncio.timeout(60):
        while not (await bank.transfer(alice, sent["id"]))["needs_attention"]:
            await asyncio.sleep(0.2)
    return sent


async def test_a_timeline_outlives_the_workflow(
    bank: Bank, operator: Person, temporal: Client
) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    calm = await bank.send(alice, bob, 100, wait_s=20)
    home = await parked(bank, operator, alice, bob)
    waiting = (await read(bank, operator, home["id"])).json()
    assert waiting["next"]["what"].startswith("parked: waits for an operator's verb")
    assert (await bank.verb(operator, home["id"], "refund")).status_code == 200
    late = await retried(bank, operator, alice, bob)
    trying = (await read(bank, alice, late["id"])).json()
    assert not trying["sealed"]
    assert "credit is" in trying["next"]["what"]
    await bank.end_rehearsal(operator)
    before: dict[str, Any] = {}
    for sent in (calm, home, late):
        await bank.ended(alice, sent["id"])
        await sealed(bank, alice, sent["id"])
        for who in (alice, bob, operator):
            for headers in ({}, SVG):
                told = await read(bank, who, sent["id"], **headers)
                before[sent["id"], who.user_id, len(headers)] = told.content
    for sent in (calm, home, late):
        await forget(temporal, sent["workflow_id"])
        for who in (alice, bob, operator):
            for headers in ({}, SVG):
                told = await read(bank, who, sent["id"], **headers)
                assert told.content == before[sent["id"], who.user_id, len(headers)]
    await check_calm((await read(bank, operator, calm["id"])).json())
    await check_late((await read(bank, operator, late["id"])).json())
    await check_home(bank, operator, alice, home["id"])


async def check_calm(calm: Json) -> None:
    attempts = [(row["leg"], row["attempt"], row["outcome"]) for row in rows(calm, "attempt")]
    assert attempts == [(leg, 1, "applied") for leg in ("debit", "credit", "post")]
    states = [row["outcome"] for row in rows(calm, "state")]
    assert states == ["initiated", "debited", "credited", "completed"]
    assert [row["leg"] for row in rows(calm, "entry")] == ["debit", "credit"]
    assert [row["outcome"] for row in rows(calm, "event")] == [f"transfer.{one}" for one in states]
    assert calm["next"] is None


async def check_late(late: Json) -> None:
    credit = [row for row in rows(late, "attempt") if row["leg"] == "credit"]
    *failed, answered = credit
    assert len(failed) >= 4, credit
    assert {row["outcome"] for row in failed} == {"failed"}
    assert all("RehearsedError" in row["detail"] for row in failed)
    assert answered["outcome"] == "applied"
    times = [row["at"] for row in late["data"]]
    assert times == sorted(times)


async def check_home(bank: Bank, operator: Person, alice: Person, transfer_id: str) -> None:
    seen = (await read(bank, operator, transfer_id)).json()
    states = [row["outcome"] for row in rows(seen, "state")]
    assert states == ["initiated", "debited", "needs_attention", "refunding", "failed"]
    (act,) = rows(seen, "operator")
    assert (act["actor"], act["outcome"]) == (operator.user_id, "refunded")
    assert "a test says so" in act["detail"]
    told = await read(bank, alice, transfer_id)
    (shown,) = rows(told.json(), "operator")
    assert (shown["actor"], shown["detail"], shown["outcome"]) == (
        "operator",
        "refund",
        "refunded",
    )
    for secret in (operator.user_id, "a test says so", "Rehearsed"):
        assert secret not in told.text
        assert secret in (await read(bank, operator, transfer_id)).text
    drawn = await read(bank, operator, transfer_id, **SVG)
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert ET.fromstring(drawn.text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314
