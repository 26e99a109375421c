"""Records one history of each path a transfer can take, for the replay gate.

Run by hand when a saga version is released: ``python -m tests.workflows.record_histories``.
A released version's histories are never recorded again; a new version gets a folder of its own.
"""

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from cli.stack import EmbeddedStack
from tests.conftest import ALL_IN_ONE, stack_in
from tests.e2e.bank import Bank, Json, Person, bank_of
from tests.e2e.conftest import new_operator

VERSION = "v1"
FOLDER = Path(__file__).with_name("histories")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            stack_in(Path(folder), ALL_IN_ONE) as stack,
            bank_of(stack) as bank,
        ):
            temporal = await Client.connect(
                stack.addresses.temporal_address, data_converter=pydantic_data_converter
            )
            for name, transfer in (await every_path(stack, bank)).items():
                handle = temporal.get_workflow_handle(transfer["workflow_id"])
                history = json.loads((await handle.fetch_history()).to_json())
                target = FOLDER / VERSION / f"{name}.json"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(json.dumps(anonymous(history), indent=1) + "\n")
                print(f"{name}: {len(history['events'])} events")  # noqa: T201


async def every_path(stack: EmbeddedStack, bank: Bank) -> dict[str, Json]:
    """One finished transfer of each shape."""
    operator = await new_operator(stack, bank)
    alice, bob = await bank.funded(10_000), await bank.person("bob")
    paths = {
        "completed": await bank.send(alice, bob, 100, wait_s=20),
        "refused": await bank.send(alice, bob, 100_000, wait_s=20),
    }
    await bank.rehearse(operator, _rule("credit", "reject"))
    paths["compensated"] = await bank.send(alice, bob, 100, wait_s=20)
    await bank.rehearse(operator, _rule("credit", "error"))
    paths["parked_then_retried"] = await _parked(bank, alice, bob)
    paths["parked_then_refunded"] = await _parked(bank, alice, bob)
    await bank.verb(operator, paths["parked_then_refunded"]["id"], "refund")
    slow = await bank.send(alice, bob, 100)
    await bank.until(alice, slow["id"], "debited")
    await asyncio.sleep(4)  # past the fast lane
    await bank.end_rehearsal(operator)
    paths["slow_credit"] = slow
    await bank.verb(operator, paths["parked_then_retried"]["id"], "retry")
    for transfer in paths.values():
        await bank.ended(alice, transfer["id"])
    await asyncio.sleep(1)  # the workflows close a moment after their transfers
    return paths


async def _parked(bank: Bank, alice: Person, bob: Person) -> Json:
    sent = await bank.send(alice, bob, 100)
    while not (await bank.transfer(alice, sent["id"]))["needs_attention"]:
        await asyncio.sleep(0.2)
    return sent


def _rule(step: str, failure_type: str) -> Json:
    return {"step": step, "failure_type": failure_type, "failure_rate": 1}


def anonymous(part: Any) -> Any:
    """The history without this machine's name and folders."""
    if isinstance(part, list):
        return [anonymous(one) for one in part]
    if isinstance(part, dict):
        hidden = {"identity": "worker", "stackTrace": ""}
        return {key: hidden.get(key, anonymous(value)) for key, value in part.items()}
    if isinstance(part, str):
        return re.sub(r"\d+@[\w.-]+", "worker", part)  # a sticky queue is named by pid and host
    return part


if __name__ == "__main__":
    asyncio.run(main())
