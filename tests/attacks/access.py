"""Attacks by those who were let in elsewhere: a forged Update, and a stream that lives on."""

import asyncio
import time
from contextlib import suppress

from temporalio.client import Client, RPCError, WorkflowUpdateFailedError

from temporal.converter import DATA_CONVERTER
from tests.attacks.scene import Scene
from tests.e2e.bank import Json, Person
from tests.e2e.conftest import new_operator
from tests.e2e.listening import listening

CLOSED_WITHIN_S = 5.0


class ForgedResolve:
    """A program with access to Temporal alone sends ``resolve`` in the names of two operators."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def prepare(self) -> None:
        bank, operator = self._scene.bank, self._scene.operator
        self._framed = [await new_operator(self._scene.stack, bank) for _ in range(2)]
        self._alice, self._bob = await bank.funded(100), await bank.person("bob")
        held = {"step": "credit", "failure_type": "error", "failure_rate": 1}
        await bank.rehearse(operator, held)
        self._sent: Json = await bank.send(self._alice, self._bob, 100)
        await bank.rehearse(operator, {**held, "transfer_ids": [self._sent["id"]]})
        async with asyncio.timeout(60):
            while not (await bank.transfer(self._alice, self._sent["id"]))["needs_attention"]:
                await asyncio.sleep(0.2)

    async def play(self, over: asyncio.Event) -> None:
        temporal = await Client.connect(
            self._scene.stack.addresses.temporal_address, data_converter=DATA_CONVERTER
        )
        handle = temporal.get_workflow_handle(f"transfer/{self._sent['id']}")
        for operator in self._framed:
            forged = {
                "operator": operator.user_id,
                "reason": "the bank says so",
                "leg": "credit",
                "outcome": "settled_outside",
                "evidence": "none",
            }
            with suppress(WorkflowUpdateFailedError, RPCError):
                await handle.execute_update("resolve", forged)
        await over.wait()

    async def judge(self) -> None:
        now = await self._scene.bank.transfer(self._alice, self._sent["id"])
        assert (now["status"], now["needs_attention"]) == ("debited", True)
        framed = [one.user_id for one in self._framed]
        lines = await self._scene.database.audit.find({"actor_id": {"$in": framed}}).to_list()
        assert [one for one in lines if one["subject_id"] == self._sent["id"]] == []


class StreamsOfTheDeactivated:
    """An account keeps its event stream open while an operator deactivates it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def prepare(self) -> None:
        self._mallory: Person = await self._scene.bank.person("mallory")

    async def play(self, over: asyncio.Event) -> None:
        async with listening(self._scene.url, "/v1/events/stream", self._mallory) as stream:
            assert stream.answer.status_code == 200
            answer = await self._scene.bank.ask(
                "POST",
                f"/v1/users/{self._mallory.user_id}/deactivate",
                self._scene.operator,
                body={"reason": "fraud"},
            )
            assert answer.status_code == 200, answer.text
            begun = time.monotonic()
            await stream.to_the_end()
            self._closed_after_s = time.monotonic() - begun
        await over.wait()

    async def judge(self) -> None:
        assert self._closed_after_s <= CLOSED_WITHIN_S
