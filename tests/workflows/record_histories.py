"""Records one history of each path a story can take, for the replay gate.

Run by hand when a path is new or a version of a story is released:
``python -m tests.workflows.record_histories transfers`` (or ``batches``). A history that is there
is never recorded again; a new version gets a folder of its own. The commands are written beside.
"""

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import Client

from cli.stack import EmbeddedStack
from temporal.converter import DATA_CONVERTER
from tests.conftest import ALL_IN_ONE, stack_in
from tests.e2e.bank import Bank, Json, Person, bank_of, new_key, order
from tests.e2e.conftest import new_operator
from tests.e2e.shapes import Held
from tests.workflows.commands import write_missing

VERSION = "v1"
FOLDER = Path(__file__).with_name("histories")
BATCHES = FOLDER.with_name("batch_histories")


async def main(story: str) -> None:
    every_path, folder = STORIES[story]
    with tempfile.TemporaryDirectory() as data:
        async with (
            stack_in(Path(data), ALL_IN_ONE) as stack,
            bank_of(stack) as bank,
        ):
            temporal = await Client.connect(
                stack.addresses.temporal_address, data_converter=DATA_CONVERTER
            )
            for name, workflow_id in (await every_path(stack, bank, temporal)).items():
                target = folder / VERSION / f"{name}.json"
                if target.exists():
                    continue
                handle = temporal.get_workflow_handle(workflow_id)
                keep(folder, name, (await handle.fetch_history()).to_json())


async def every_transfer(stack: EmbeddedStack, bank: Bank, temporal: Client) -> dict[str, str]:
    """One finished transfer of each shape, by its workflow."""
    held = await Held.begin(stack, bank, temporal, also_by_themselves=True)
    shapes = await held.end()
    await asyncio.sleep(1)  # the workflows close a moment after their transfers
    return {name: transfer["workflow_id"] for name, transfer in shapes.items()}


async def every_batch(stack: EmbeddedStack, bank: Bank, temporal: Client) -> dict[str, str]:
    """One finished batch of each shape, by its workflow."""
    operator = await new_operator(stack, bank)
    alice, bob = await bank.funded(100_000), await bank.person("bob")
    good, bad = order(alice, bob, 1), order(alice, bob, 1_000_000)
    shapes = {
        "independent": ("independent", [good] * 600),
        "stopped": ("stop_on_error", [good, bad, good]),
        "atomic": ("atomic", [good, good]),
        "rejected": ("atomic", [good, bad]),
    }
    paths = {name: await _batch(bank, alice, *shape) for name, shape in shapes.items()}
    await _batches_end(bank, alice, *paths.values())
    await bank.rehearse(operator, _rule("credit", "error"))
    paths["left_to_themselves"] = await _batch(bank, alice, "independent", [good, good])
    paths["parked"] = await _batch(bank, alice, "atomic", [good, good])
    await asyncio.sleep(30)  # past the lane that parks
    await bank.end_rehearsal(operator)
    await _batches_end(bank, alice, *paths.values())
    await asyncio.sleep(5)  # the workflows close a moment after their batches
    return {name: f"batch/{batch_id}" for name, batch_id in paths.items()}


async def _batch(bank: Bank, who: Person, mode: str, items: list[Json]) -> str:
    body, headers = {"mode": mode, "transfers": items}, {"Idempotency-Key": new_key()}
    answer = await bank.ask("POST", "/v1/batches", who, body=body, headers=headers)
    return str(answer.json()["id"])


async def _batches_end(bank: Bank, who: Person, *batch_ids: str) -> None:
    for one in batch_ids:
        while (await bank.ask("GET", f"/v1/batches/{one}", who)).json()["counts"]["pending"]:
            await asyncio.sleep(0.2)


def _rule(step: str, failure_type: str) -> Json:
    return {"step": step, "failure_type": failure_type, "failure_rate": 1}


def keep(folder: Path, name: str, told: str) -> None:
    """Write the history, as Temporal tells it in JSON, into this version's folder."""
    history = json.loads(told)
    target = folder / VERSION / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(anonymous(history), indent=1) + "\n")
    print(f"{name}: {len(history['events'])} events")  # noqa: T201


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


STORIES = {"transfers": (every_transfer, FOLDER), "batches": (every_batch, BATCHES)}

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    write_missing(STORIES[sys.argv[1]][1])
