"""A transfer of every shape a story can end in, all in flight at the same time.

``held = await Held.begin(stack, bank, temporal)`` has them under way, most of them before a credit
that does not answer; ``await held.end()`` lets each end in its own way.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from temporalio.client import Client

from cli.stack import EmbeddedStack
from tests.e2e.bank import Bank, Json, Person
from tests.e2e.conftest import new_operator

PAST_THE_FAST_LANE_S = 4
UNPARKS_WITHIN_S = 90  # the parked lane tries once a minute

AT_ONCE = ("completed", "refused", "compensated")
HELD_BEFORE_CREDIT = (
    "slow_credit",
    "parked_then_retried",
    "parked_then_refunded",
    "parked_then_unparked",
    "resolved_outside",
    "resolved_not_done",
    "paused_then_resumed",
    "withdrawn",
)
HELD_BEFORE_REFUND = ("resolved_refund_outside",)
SHAPES = (*AT_ONCE, *HELD_BEFORE_CREDIT, *HELD_BEFORE_REFUND)


@dataclass
class Held:
    """The transfers by shape, and who can do what about them."""

    bank: Bank
    temporal: Client
    operator: Person
    second: Person
    alice: Person
    bob: Person
    transfers: dict[str, Json]

    @classmethod
    async def begin(
        cls, stack: EmbeddedStack, bank: Bank, temporal: Client, *, also_by_themselves: bool
    ) -> Self:
        """Send all of them; ``also_by_themselves``: the one that takes a minute to end as well."""
        operator, second = await new_operator(stack, bank), await new_operator(stack, bank)
        alice, bob = await bank.funded(10_000), await bank.person("bob")
        held = cls(bank, temporal, operator, second, alice, bob, {})
        frozen = await bank.person("carol")
        freeze = await bank.ask("POST", f"/v1/wallets/{frozen.wallet_id}/freeze", operator)
        assert freeze.status_code == 200, freeze.text
        held.transfers["completed"] = await bank.send(alice, bob, 100, wait_s=20)
        held.transfers["refused"] = await bank.send(alice, bob, 100_000, wait_s=20)
        held.transfers["compensated"] = await bank.send(alice, frozen, 100, wait_s=20)
        await bank.rehearse(operator, _hanging("refund"), _hanging("credit"))
        for name in HELD_BEFORE_CREDIT:
            if also_by_themselves or name != "parked_then_unparked":
                held.transfers[name] = await bank.send(alice, bob, 100)
        # not before the credit: to a frozen wallet it is refused, once it is taken at all
        ids = [one["id"] for name, one in held.transfers.items() if name in HELD_BEFORE_CREDIT]
        await bank.rehearse(operator, _hanging("refund"), _hanging("credit", *ids))
        unpaid = await bank.send(alice, frozen, 100)
        await bank.until(alice, unpaid["id"], "refunding")
        await bank.rehearse(operator, _hanging("refund", unpaid["id"]), _hanging("credit", *ids))
        held.transfers["resolved_refund_outside"] = unpaid
        return held

    async def end(self) -> dict[str, Json]:
        """Bring each to its end."""
        for name in HELD_BEFORE_CREDIT:
            if name in self.transfers:
                await self.bank.until(self.alice, self._id(name), "debited")
        await self._verb("paused_then_resumed", "pause")
        await self._resolve("resolved_outside", "credit", "settled_outside")
        await self._resolve("resolved_not_done", "credit", "not_done")
        await self._resolve("resolved_refund_outside", "refund", "settled_outside")
        workflow_id = self.transfers["withdrawn"]["workflow_id"]
        await self.temporal.get_workflow_handle(workflow_id).cancel()
        await asyncio.sleep(PAST_THE_FAST_LANE_S)
        parked = [name for name in self.transfers if name.startswith("parked")]
        await self._only_hanging(*parked)
        await self._verb("paused_then_resumed", "resume")
        for name in parked:
            while not (await self.bank.transfer(self.alice, self._id(name)))["needs_attention"]:
                await asyncio.sleep(0.2)
        await self._verb("parked_then_refunded", "refund")
        await self.bank.end_rehearsal(self.operator)
        await self._verb("parked_then_retried", "retry")
        return {
            name: await self.bank.ended(self.alice, one["id"], within_s=UNPARKS_WITHIN_S)
            for name, one in self.transfers.items()
        }

    async def hang_every_credit(self) -> None:
        """From now on no credit answers, whosever it is; until those that parked are repaired."""
        unpaid = self._id("resolved_refund_outside")
        await self.bank.rehearse(self.operator, _hanging("refund", unpaid), _hanging("credit"))

    async def _only_hanging(self, *names: str) -> None:
        ids = [self._id(name) for name in names]
        await self.bank.rehearse(self.operator, _hanging("credit", *ids))

    async def _verb(self, name: str, verb: str) -> None:
        answer = await self.bank.verb(self.operator, self._id(name), verb)
        assert answer.status_code == 200, answer.text

    async def _resolve(self, name: str, leg: str, outcome: str) -> None:
        """One proposes, another approves."""
        said: dict[str, Any] = {"leg": leg, "outcome": outcome, "evidence": "bank reference 42"}
        body = {**said, "reason": "a test says so"}
        path = f"/v1/transfers/{self._id(name)}/resolve"
        for who, status in ((self.operator, 202), (self.second, 200)):
            answer = await self.bank.ask("POST", path, who, body=body)
            assert answer.status_code == status, answer.text

    def _id(self, name: str) -> str:
        return str(self.transfers[name]["id"])


def _hanging(step: str, *transfer_ids: str) -> Json:
    rule: Json = {"step": step, "failure_type": "error", "failure_rate": 1}
    return {**rule, "transfer_ids": list(transfer_ids)} if transfer_ids else rule
