"""A transfer's timeline tells the same before and after Temporal has forgotten the transfer."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import httpx
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cli.stack import EmbeddedStack
from temporal.converter import DATA_CONVERTER
from tests.e2e.auditing import Database
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
    """Delete the workflow, and see that it is gone: which takes Temporal a while."""
    await delete(client, workflow_id)
    async with asyncio.timeout(90):
        while True:
            try:
                await client.get_workflow_handle(workflow_id).describe()
            except RPCError as error:
                assert error.status is RPCStatusCode.NOT_FOUND
                return
            await asyncio.sleep(0.1)


async def delete(client: Client, workflow_id: str) -> None:
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        )
    )


async def as_everybody_reads(
    bank: Bank, people: Sequence[Person], sent: Sequence[Json]
) -> list[bytes]:
    """Each timeline, as JSON and as a picture, as each of them sees it."""
    return [
        (await read(bank, who, one["id"], **headers)).content
        for one in sent
        for who in people
        for headers in ({}, SVG)
    ]


async def test_a_timeline_outlives_the_workflow(
    bank: Bank, operator: Person, temporal: Client, database: Database
) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    calm = await bank.send(alice, bob, 100, wait_s=20)
    await bank.rehearse(operator, {"step": "credit", **FAILS})
    late, lost, home = [await bank.send(alice, bob, 100) for _ in range(3)]
    await asyncio.sleep(2)  # past the fast lane
    trying = (await read(bank, alice, late["id"])).json()
    assert not trying["sealed"]
    assert "credit is" in trying["next"]["what"]
    earlier = await temporal.get_workflow_handle(lost["workflow_id"]).describe()
    await delete(temporal, lost["workflow_id"])  # while it runs; the sweep starts another
    await bank.rehearse(operator, {"step": "credit", **FAILS, "transfer_ids": [home["id"]]})
    async with asyncio.timeout(60):
        while not (await bank.transfer(alice, home["id"]))["needs_attention"]:
            await asyncio.sleep(0.2)
    waiting = (await read(bank, operator, home["id"])).json()
    assert waiting["next"]["what"].startswith("parked: waits for an operator's verb")
    assert (await bank.verb(operator, home["id"], "refund")).status_code == 200
    await bank.end_rehearsal(operator)
    transfers = (calm, late, lost, home)
    for one in transfers:
        await bank.ended(alice, one["id"])
        await sealed(bank, alice, one["id"])
    assert await database.timelines.find_one({"_id": calm["id"]}) is None  # it costs nothing
    assert await database.timelines.find_one({"_id": late["id"]}) is not None
    people = (alice, bob, operator)
    before = await as_everybody_reads(bank, people, transfers)
    latest = await temporal.get_workflow_handle(lost["workflow_id"]).describe()
    assert latest.run_id != earlier.run_id
    await asyncio.gather(*(forget(temporal, one["workflow_id"]) for one in transfers))
    assert await as_everybody_reads(bank, people, transfers) == before
    check_calm((await read(bank, operator, calm["id"])).json())
    for one in (late, lost):
        check_retried((await read(bank, operator, one["id"])).json())
    await check_home(bank, operator, alice, home["id"])


def check_calm(calm: Json) -> None:
    attempts = [(row["leg"], row["attempt"], row["outcome"]) for row in rows(calm, "attempt")]
    assert attempts == [(leg, 1, "applied") for leg in ("debit", "credit", "post")]
    states = [row["outcome"] for row in rows(calm, "state")]
    assert states == ["initiated", "debited", "credited", "completed"]
    assert [row["leg"] for row in rows(calm, "entry")] == ["debit", "credit"]
    assert [row["outcome"] for row in rows(calm, "event")] == [f"transfer.{one}" for one in states]
    assert calm["next"] is None


def check_retried(late: Json) -> None:
    credit = [row for row in rows(late, "attempt") if row["leg"] == "credit"]
    *failed, answered = credit
    assert len(failed) >= 4, credit
    assert {row["outcome"] for row in failed} <= {"failed", "cancelled"}
    assert "RehearsedError" in failed[0]["detail"]
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


async def test_only_parties_and_operators_read_it(bank: Bank, operator: Person) -> None:
    alice, bob, carol = await bank.funded(10), await bank.person("bob"), await bank.person("carol")
    sent = await bank.send(alice, bob, 10, wait_s=20)
    path = f"/v1/transfers/{sent['id']}/timeline"
    for who in (alice, bob, operator):
        assert (await bank.ask("GET", path, who)).status_code == 200
    for wrong in (sent["id"], "trf_01KDVE0A4Q5J7TP7S8R9VWXYZ3", "trf_1", alice.wallet_id, "%00"):
        for headers in ({}, SVG):
            path = f"/v1/transfers/{wrong}/timeline"
            answer = await bank.ask("GET", path, carol, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "transfer_not_found")
    nobody = await bank.ask("GET", path)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "authentication_required")


async def test_what_is_delivered_after_the_seal_is_joined(bank: Bank) -> None:
    alice, bob = await bank.funded(10), await bank.person("bob")
    hook = {"url": "https://127.0.0.1:9/", "event_types": ["transfer.completed"]}
    made = await bank.ask("POST", "/v1/webhook-endpoints", alice, body=hook)
    assert made.status_code == 201, made.text
    sent = await bank.send(alice, bob, 10, wait_s=20)
    first = (await sealed(bank, alice, sent["id"])).json()
    delivered = f"/v1/webhook-endpoints/{made.json()['id']}/deliveries"
    async with asyncio.timeout(20):
        while len(rows(told := (await read(bank, alice, sent["id"])).json(), "delivery")) < 2:
            await asyncio.sleep(0.2)
    (listed,) = (await bank.ask("GET", delivered, alice)).json()["data"]
    attempts = [row for row in rows(told, "delivery") if row["attempt"]]
    assert {row["outcome"] for row in attempts} == {"failed"}
    assert attempts[0]["at"] == listed["attempts"][0]["at"]
    assert rows((await read(bank, bob, sent["id"])).json(), "delivery") == []
    others = [row for row in told["data"] if row["kind"] != "delivery"]
    assert others == [row for row in first["data"] if row["kind"] != "delivery"]
