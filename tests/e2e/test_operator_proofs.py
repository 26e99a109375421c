"""Temporal does not authenticate who sends an Update: who it names is a claim, and no operator."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from cli.stack import EmbeddedStack
from temporal.converter import DATA_CONVERTER
from temporal.names import TRANSFERS_QUEUE
from tests.e2e.auditing import Database, check_the_books
from tests.e2e.bank import Bank, Json, Person
from tests.e2e.conftest import new_operator
from tests.e2e.gaps import held_before

OUTSIDE = {
    "leg": "credit",
    "outcome": "settled_outside",
    "evidence": "bank reference 666",
    "reason": "trust me",
}


@pytest.fixture
def stack(single: EmbeddedStack) -> EmbeddedStack:
    return single


@dataclass
class Scene:
    """A transfer held before its credit, two operators, and a raw client of Temporal."""

    bank: Bank
    database: Database
    temporal: Client
    operator: Person
    second: Person
    alice: Person
    sent: Json

    async def raw(self, verb: str, who: Person, update_id: str | None = None, **said: Any) -> Json:
        """The Update as anybody with access to Temporal sends it."""
        handle = self.temporal.get_workflow_handle(self.sent["workflow_id"])
        order = {"operator": who.user_id, "reason": "trust me", **said}
        answer: Json = await handle.execute_update(verb, order, id=update_id)
        return answer

    async def api(self, verb: str, who: Person, **said: Any) -> Json:
        """The same through the API, which authenticates the operator."""
        path = f"/v1/transfers/{self.sent['id']}/{verb}"
        answer = await self.bank.ask("POST", path, who, body={"reason": "a test says so", **said})
        return {"http": answer.status_code, **answer.json()}

    async def status(self) -> str:
        return str((await self.bank.transfer(self.alice, self.sent["id"]))["status"])

    async def acts(self) -> list[tuple[str, str, str, str | None]]:
        found = self.database.operator_acts.find({"transfer_id": self.sent["id"]}).sort("at")
        return [
            (one["verb"], one["operator"], one["outcome"], one.get("claimed_operator"))
            for one in await found.to_list()
        ]

    async def actors(self) -> set[str]:
        lines = await self.database.audit.find({"subject_id": self.sent["id"]}).to_list()
        return {line["actor_id"] for line in lines}


@pytest.fixture
async def scene(
    bank: Bank, operator: Person, stack: EmbeddedStack, database: Database
) -> AsyncIterator[Scene]:
    second = await new_operator(stack, bank)
    temporal = await Client.connect(stack.addresses.temporal_address, data_converter=DATA_CONVERTER)
    alice, _, sent = await held_before(bank, operator, "credit", "debited")
    yield Scene(bank, database, temporal, operator, second, alice, sent)
    await bank.end_rehearsal(second)
    await bank.ended(alice, sent["id"])
    await check_the_books(database)


async def test_resolve_from_temporal_in_two_operators_names_moves_nothing(scene: Scene) -> None:
    first = await scene.raw("resolve", scene.operator, **OUTSIDE)
    assert first["outcome"] == "approval_pending"
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await scene.raw("resolve", scene.second, **OUTSIDE)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "second_operator_required"
    assert await scene.status() == "debited"
    assert await scene.acts() == [
        ("resolve", "temporal", "approval_pending", scene.operator.user_id)
    ]
    assert await scene.actors() == {"temporal"}

    # the claimed operator does not approve what was proposed in their name; another one does
    own = await scene.api("resolve", scene.operator, **OUTSIDE)
    assert (own["http"], own["code"]) == (409, "second_operator_required")
    approved = await scene.api("resolve", scene.second, **OUTSIDE)
    assert (approved["http"], approved["status"]) == (200, "completed")
    entry = await scene.database.journal.find_one({"_id": f"{scene.sent['id']}:credit"})
    assert entry is not None
    assert (entry["note"]["actor"], entry["note"]["approved_by"]) == (
        "temporal",
        scene.second.user_id,
    )


async def test_temporal_does_not_approve_what_an_operator_proposed(scene: Scene) -> None:
    assert (await scene.api("resolve", scene.operator, **OUTSIDE))["http"] == 202
    with pytest.raises(WorkflowUpdateFailedError):
        await scene.raw("resolve", scene.second, **OUTSIDE)
    assert await scene.status() == "debited"
    assert (await scene.api("resolve", scene.second, **OUTSIDE))["status"] == "completed"


async def test_a_message_of_the_api_sent_again_as_another_is_temporals(scene: Scene) -> None:
    """What stands in the history is no use for anything but what the operator asked for."""
    assert (await scene.api("pause", scene.operator))["http"] == 200
    assert (await scene.api("resolve", scene.operator, **OUTSIDE))["http"] == 202
    handle = scene.temporal.get_workflow_handle(scene.sent["workflow_id"])
    history = await handle.fetch_history()
    accepted = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request
        for event in history.events
        if event.HasField("workflow_execution_update_accepted_event_attributes")
    ]
    said = [(await DATA_CONVERTER.decode(one.input.args.payloads, [dict]))[0] for one in accepted]
    pause_id, pause, resolve = accepted[0].meta.update_id, said[0], said[1]
    assert pause["proof"]
    assert resolve["proof"]
    later = {"until": 0.0}  # else it has lapsed
    for update_id, name in ((pause_id, "act_NEW"), ("act_OTHER", "act_OTHER")):
        order = {**resolve, **later, "operator": scene.second.user_id}
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("resolve", order, id=f"{update_id}{name}")
    assert await scene.status() == "debited"
    acts = await scene.acts()
    assert ("resolve", scene.second.user_id) not in [one[:2] for one in acts]
    assert (await scene.api("resume", scene.operator))["http"] == 200


async def test_the_uis_verbs_are_temporals_with_the_operator_as_a_claim(scene: Scene) -> None:
    assert (await scene.raw("pause", scene.operator))["outcome"] == "paused"
    assert (await scene.raw("resume", scene.operator))["outcome"] == "running"
    await scene.raw("retry", scene.operator)
    assert (await scene.raw("refund", scene.operator))["outcome"] == "refunded"
    assert {one[1] for one in await scene.acts()} == {"temporal"}
    assert {one[3] for one in await scene.acts()} == {scene.operator.user_id}
    assert await scene.actors() == {"temporal"}
    path = f"/v1/transfers/{scene.sent['id']}/timeline"
    rows = (await scene.bank.ask("GET", path, scene.second)).json()["data"]
    told = [row for row in rows if row["kind"] == "operator"]
    assert {row["actor"] for row in told} == {"temporal"}
    assert all(f"as {scene.operator.user_id} (not verified)" in row["detail"] for row in told)


async def test_an_act_id_of_an_operator_does_not_pass_for_another_act(scene: Scene) -> None:
    """A terminated workflow knows no Update's id any more; the record does."""
    assert (await scene.api("pause", scene.operator))["http"] == 200
    (act,) = await scene.database.operator_acts.find({"transfer_id": scene.sent["id"]}).to_list()
    raw_id = secrets.token_hex(4)
    assert (await scene.raw("resume", scene.second, raw_id))["outcome"] == "running"
    handle = scene.temporal.get_workflow_handle(scene.sent["workflow_id"])
    await handle.terminate()
    assert (await scene.api("pause", scene.operator))["http"] == 200  # starts it again
    first = await scene.raw("resolve", scene.second, act["_id"], **OUTSIDE)
    assert first["outcome"] == "approval_pending"
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await scene.raw("resolve", scene.second, raw_id, **OUTSIDE)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "act_id_reused"
    line = await scene.database.audit.find_one({"_id": act["_id"]})
    assert line is not None
    assert (line["verb"], line["outcome"]) == ("pause", "paused")
    assert (await scene.api("resume", scene.operator))["http"] == 200


@pytest.mark.parametrize("became", [{"active": False}, {"role": "user"}])
async def test_a_proposer_who_is_no_operator_any_more_does_not_count(
    scene: Scene, became: Json
) -> None:
    assert (await scene.api("resolve", scene.operator, **OUTSIDE))["http"] == 202
    await scene.database.users.update_one({"_id": scene.operator.user_id}, {"$set": became})
    assert (await scene.api("resolve", scene.second, **OUTSIDE))["http"] == 202
    assert await scene.status() == "debited"
    first, again = await scene.acts()
    assert first == ("resolve", scene.operator.user_id, "lapsed", None)
    assert again == ("resolve", scene.second.user_id, "approval_pending", None)
    back = {"$set": {"active": True, "role": "operator"}}
    await scene.database.users.update_one({"_id": scene.operator.user_id}, back)
    if "active" in became:  # the API may still remember that they were out
        await asyncio.sleep(6)
    approved = await scene.api("resolve", scene.operator, **OUTSIDE)
    assert (approved["http"], approved["status"]) == (200, "completed")


@workflow.defn(name="Attacker")
class Attacker:
    """A workflow of somebody else's, which schedules our activities on our queue."""

    @workflow.run
    async def run(self, name: str, argument: Json) -> Any:
        return await workflow.execute_activity(
            name,
            argument,
            task_queue=TRANSFERS_QUEUE,
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


async def test_activities_of_another_workflow_settle_and_finish_nothing(scene: Scene) -> None:
    assert (await scene.api("pause", scene.operator))["http"] == 200
    (act,) = await scene.database.operator_acts.find({"transfer_id": scene.sent["id"]}).to_list()
    people = {"proposed_by": scene.operator.user_id, "approved_by": scene.second.user_id}
    outside = {"evidence": "bank reference 666", "reason": "trust me", **people}
    tombstone = {
        "code": "cancelled_by_operator",
        "actor": scene.operator.user_id,
        "reason": "trust me",
    }
    about = {"transfer_id": scene.sent["id"], "leg": "credit"}
    queue = f"attacker-{secrets.token_hex(4)}"
    async with Worker(
        scene.temporal,
        task_queue=queue,
        workflows=[Attacker],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):

        async def play(name: str, argument: Json) -> Any:
            return await scene.temporal.execute_workflow(
                Attacker.run, args=[name, argument], id=queue, task_queue=queue
            )

        for settlement in ({"outside": outside}, {"tombstone": tombstone}, {}):
            with pytest.raises(WorkflowFailureError) as failed:
                await play("settle", {**about, **settlement})
            cause = failed.value.cause
            assert isinstance(cause, ActivityError)
            assert isinstance(cause.cause, ApplicationError)
            assert cause.cause.type == "act_not_recorded"
        await play("finish_act", {"act_id": act["_id"], "outcome": "refunded"})
    assert await scene.status() == "debited"
    line = await scene.database.audit.find_one({"_id": act["_id"]})
    assert line is not None
    assert line["outcome"] == "paused"
    # the control: what is on record is settled
    assert (await scene.api("refund", scene.operator))["status"] == "failed"
