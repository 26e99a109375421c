"""The replay gate: every released history of our workflows runs through today's code unchanged.

A failure here means that workflows which run now would break, or act otherwise, at the next
deployment. It says which command of which history differs, and what to do.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.worker import Replayer

from payflow.domain.observing import UNOBSERVED
from payflow.settings import Settings
from temporal.client import interceptors
from temporal.converter import DATA_CONVERTER
from tests.e2e.shapes import SHAPES
from tests.workflows.commands import fingerprint, history, objection, replayed
from tests.workflows.record_histories import BATCHES
from tests.workflows.record_histories import FOLDER as SAGAS
from tests.workflows.record_proof_histories import FOLDER as PROOFS
from tests.workflows.record_webhook_histories import FOLDER as WEBHOOKS
from tests.workflows.swapped import (
    ClosesBatchFirst,
    CreditBeforeDebit,
    DebitsBehindAPatch,
    PaysAnotherTransfer,
    RestsBeforeItProves,
    TriesBeforeItWaits,
)
from workflows.batch import BatchWorkflow
from workflows.proof import ProofWorkflow
from workflows.transfer import TransferWorkflow
from workflows.webhook_delivery import WebhookDeliveryWorkflow


@dataclass(frozen=True)
class Gate:
    """One workflow's histories, its code, and code that must not replay them."""

    folder: Path
    workflow: type
    swapped: type
    shapes: frozenset[str]

    @property
    def histories(self) -> list[Path]:
        return sorted(self.folder.rglob("*.json"))


GATES = [
    Gate(
        SAGAS,
        TransferWorkflow,
        CreditBeforeDebit,
        frozenset(SHAPES),
    ),
    Gate(
        BATCHES,
        BatchWorkflow,
        ClosesBatchFirst,
        frozenset({"independent", "stopped", "atomic", "rejected", "left_to_themselves", "parked"}),
    ),
    Gate(
        WEBHOOKS,
        WebhookDeliveryWorkflow,
        TriesBeforeItWaits,
        frozenset({"succeeded_after_retries", "cancelled", "gave_up"}),
    ),
    Gate(PROOFS, ProofWorkflow, RestsBeforeItProves, frozenset({"proved", "gave_up"})),
]
HISTORIES = [
    pytest.param(gate, path, id=f"{path.parent.name}/{path.stem}")
    for gate in GATES
    for path in gate.histories
]


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.folder.name)
def test_each_shape_of_each_version_is_there(gate: Gate) -> None:
    versions = {path.parent.name for path in gate.histories}
    assert versions
    for version in versions:
        found = {path.stem for path in gate.histories if path.parent.name == version}
        assert found >= gate.shapes


@pytest.mark.parametrize(("gate", "path"), HISTORIES)
async def test_a_released_history_gives_the_released_commands(gate: Gate, path: Path) -> None:
    assert objection(path, await replayed(path, gate.workflow)) is None


@pytest.mark.parametrize(("gate", "path"), HISTORIES)
async def test_it_replays_however_it_is_watched(gate: Gate, path: Path) -> None:
    settings = Settings(otlp_endpoint="http://127.0.0.1:4318")
    replayer = Replayer(
        workflows=[gate.workflow],
        data_converter=DATA_CONVERTER,
        interceptors=interceptors(settings, UNOBSERVED),
    )
    result = await replayer.replay_workflow(history(path))
    assert result.replay_failure is None


@pytest.mark.parametrize(("gate", "path"), HISTORIES)
async def test_a_swapped_command_is_told_with_what_to_do(gate: Gate, path: Path) -> None:
    replay = await replayed(path, gate.swapped)
    said = objection(path, replay)
    assert replay.failure is not None
    assert said is not None
    first = fingerprint(path).read_text().splitlines()[0]
    file = f"tests/workflows/{gate.folder.name}/v1/{path.name}"
    named = f"{file}: command 1 differs from the released one."
    for words in (named, f"released: {first}", f"today:    {replay.commands[0]}", "TMPRL1100"):
        assert words in said
    assert "`workflow.patched(" in said
    assert "record the new one's histories" in said


async def test_an_argument_that_differs_is_told_though_temporal_lets_it_pass() -> None:
    path = SAGAS / "v1" / "completed.json"
    replay = await replayed(path, PaysAnotherTransfer)
    said = objection(path, replay)
    assert replay.failure is None
    assert said is not None
    assert "command 2 differs" in said
    assert 'today:    schedule_local_activity credit {"transfer_id": "another"}' in said
    assert "write it anew: python -m tests.workflows.commands" in said


@pytest.mark.parametrize("shape", ["completed", "refused"])
async def test_a_change_behind_a_patch_is_let_through(shape: str) -> None:
    path = SAGAS / "v1" / f"{shape}.json"
    assert objection(path, await replayed(path, DebitsBehindAPatch)) is None
