"""Makes healthy and broken sagas on a stack of its own, and deploys the fix of the bug.

``async with stuck_stack(folder) as stuck:`` has them all; ``stuck.stack`` is the stack.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from cli.apps import Layout
from cli.stack import EmbeddedStack, StackOptions
from temporal.converter import DATA_CONVERTER
from temporal.queries import CANNOT_RUN, PARKED, SavedQuery
from tests.conftest import TEST_ENV
from tests.e2e.auditing import Database, books_of
from tests.e2e.bank import Bank, Json, Person, bank_of
from tests.e2e.conftest import new_operator
from tests.stuck.program import BUG_FILE

PROGRAM = Layout(program="tests.stuck.program")
AMOUNT, MEETS_THE_BUG = 100, 1_000_000
WITHIN_S = 60.0


@dataclass
class Stuck:
    """The sagas, and everything one needs to look at them and repair them."""

    stack: EmbeddedStack
    bank: Bank
    temporal: Client
    database: Database
    operator: Person
    second: Person
    alice: Person
    healthy: list[Json]
    refund_refused: Json
    post_times_out: Json
    meets_bug: Json
    bug: Path

    @property
    def broken(self) -> list[Json]:
        return [self.refund_refused, self.post_times_out, self.meets_bug]

    async def listed(self, saved: SavedQuery) -> set[str]:
        """The transfers a saved query lists."""
        found = self.temporal.list_workflows(saved.query)
        return {one.id.removeprefix("transfer/") async for one in found}

    async def until_listed(self, saved: SavedQuery, *wanted: Json) -> None:
        """Wait until the query lists these and no others."""
        ids = {one["id"] for one in wanted}
        async with asyncio.timeout(WITHIN_S):
            while await self.listed(saved) != ids:
                await asyncio.sleep(0.3)

    async def mend_mongodb(self) -> None:
        """Let MongoDB write refunds again."""
        await self.database.command("collMod", "journal", validator={})

    async def deploy_the_fix(self) -> None:
        """Restart the process without the bug, as a deployment does."""
        self.bug.unlink()
        os.kill(self.stack.pid("serve"), signal.SIGKILL)


@asynccontextmanager
async def stuck_stack(
    folder: Path, healthy: int = 20, *, until_all_are_listed: bool = True
) -> AsyncIterator[Stuck]:
    """A stack with that many healthy sagas and three broken ones, the parked two listed.

    ``until_all_are_listed``: wait for Temporal to list the one that cannot run as well.
    """
    bug = _bug_in(folder)
    env = {**TEST_ENV, "PAYFLOW_PARK_AFTER_S": "3", BUG_FILE: str(bug)}
    options = StackOptions(data_dir=folder, layout=PROGRAM, env=env)
    async with (
        EmbeddedStack(options) as stack,
        bank_of(stack) as bank,
        books_of(stack) as database,
    ):
        temporal = await Client.connect(
            stack.addresses.temporal_address, data_converter=DATA_CONVERTER
        )
        stuck = await _make(stack, bank, temporal, database, bug, healthy)
        await stuck.until_listed(PARKED, stuck.refund_refused, stuck.post_times_out)
        if until_all_are_listed:
            await stuck.until_listed(CANNOT_RUN, stuck.meets_bug)
        yield stuck


def _bug_in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    bug = folder / "bug"
    bug.touch()
    return bug


async def _make(
    stack: EmbeddedStack,
    bank: Bank,
    temporal: Client,
    database: Database,
    bug: Path,
    healthy: int,
) -> Stuck:
    operator, second = await new_operator(stack, bank), await new_operator(stack, bank)
    alice, bob = await bank.funded(10_000_000), await bank.person("bob")
    carol, frozen = await bank.funded(AMOUNT, "carol"), await bank.person("dora")
    meets_bug = await bank.send(alice, bob, MEETS_THE_BUG)

    # MongoDB refuses to write what would give Carol her money back
    refused = {"leg": "refund", "wallet_id": carol.wallet_id}
    await database.command("collMod", "journal", validator={"$nor": [refused]})
    freeze = await bank.ask("POST", f"/v1/wallets/{frozen.wallet_id}/freeze", operator)
    assert freeze.status_code == 200, freeze.text
    refund_refused = await bank.send(carol, frozen, AMOUNT)

    every_post = {"step": "post", "failure_type": "timeout", "failure_rate": 1}
    await bank.rehearse(operator, every_post)
    post_times_out = await bank.send(alice, bob, AMOUNT)
    await bank.rehearse(operator, {**every_post, "transfer_ids": [post_times_out["id"]]})

    sent = [await bank.send(alice, bob, AMOUNT) for _ in range(healthy)]
    for one in sent:
        assert (await bank.ended(alice, one["id"]))["status"] == "completed"
    return Stuck(
        stack,
        bank,
        temporal,
        database,
        operator,
        second,
        alice,
        sent,
        refund_refused,
        post_times_out,
        meets_bug,
        bug,
    )
