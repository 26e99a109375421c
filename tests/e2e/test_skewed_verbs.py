"""A verb lapses by Temporal's clock; an API whose own clock is wrong can still send one."""

import time

import pytest

from cli.stack import EmbeddedStack
from payflow.auth.action_proofs import load_action_proofs
from payflow.domain.repairs import RepairOrder, Verb
from payflow.settings import Settings
from payflow.storage.mapping import to_transfer
from temporal.client import connect
from temporal.sagas import TemporalSagas
from tests.e2e.auditing import Database
from tests.e2e.bank import Bank, Person
from tests.e2e.gaps import held_before


@pytest.fixture
def stack(single: EmbeddedStack) -> EmbeddedStack:
    return single


async def test_verbs_reach_their_saga_from_a_clock_two_hours_off(
    bank: Bank, operator: Person, stack: EmbeddedStack, database: Database
) -> None:
    alice, _, sent = await held_before(bank, operator, "credit", "debited")
    found = await database.transfers.find_one({"_id": sent["id"]})
    assert found is not None
    client = await connect(Settings(temporal_address=stack.addresses.temporal_address))
    proofs = load_action_proofs(Settings(data_dir=stack.data_dir))

    async def said(verb: Verb, wrong_s: float) -> str:
        sagas = TemporalSagas(
            client, park_after_s=10, proofs=proofs, now_s=lambda: time.time() + wrong_s
        )
        act_id = f"act_{sent['id']}{verb}{wrong_s}"
        order = RepairOrder(verb, operator.user_id, "a clock is wrong", act_id)
        return (await sagas.repair(to_transfer(found), order)).outcome

    assert await said(Verb.PAUSE, 0) == "paused"
    assert await said(Verb.PAUSE, -7_200) == "paused"
    assert await said(Verb.PAUSE, 7_200) == "paused"
    await bank.end_rehearsal(operator)
    assert await said(Verb.RESUME, -7_200) == "running"
    assert (await bank.ended(alice, sent["id"]))["status"] == "completed"
    acts = await database.operator_acts.find({"transfer_id": sent["id"]}).to_list()
    assert [act["operator"] for act in acts] == [operator.user_id] * 4
