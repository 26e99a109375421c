"""The replay gate: every released history of our workflows runs through today's code unchanged.

A failure here means that workflows which run now would break at the next deployment. Put the
change behind ``workflow.patched`` (or a new worker version) instead of recording again.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from payflow.domain.observing import UNOBSERVED
from payflow.settings import Settings
from temporal.client import interceptors
from temporal.converter import DATA_CONVERTER
from tests.workflows.record_histories import BATCHES
from tests.workflows.record_histories import FOLDER as SAGAS
from tests.workflows.record_webhook_histories import FOLDER as WEBHOOKS
from tests.workflows.swapped import ClosesBatchFirst, CreditBeforeDebit, TriesBeforeItWaits
from workflows.batch import BatchWorkflow
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
        frozenset(
            {
                "completed",
                "refused",
                "compensated",
                "parked_then_retried",
                "parked_then_refunded",
                "slow_credit",
            }
        ),
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
]
HISTORIES = [
    pytest.param(gate, path, id=f"{path.parent.name}/{path.stem}")
    for gate in GATES
    for path in gate.histories
]


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("replayed", path.read_text())


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.folder.name)
def test_each_shape_of_each_version_is_there(gate: Gate) -> None:
    versions = {path.parent.name for path in gate.histories}
    assert versions
    for version in versions:
        found = {path.stem for path in gate.histories if path.parent.name == version}
        assert found >= gate.shapes


@pytest.mark.parametrize(("gate", "path"), HISTORIES)
async def test_a_released_history_replays(gate: Gate, path: Path) -> None:
    replayer = Replayer(workflows=[gate.workflow], data_converter=DATA_CONVERTER)
    result = await replayer.replay_workflow(history(path))
    assert result.replay_failure is None


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
async def test_a_swapped_command_does_not(gate: Gate, path: Path) -> None:
    replayer = Replayer(workflows=[gate.swapped], data_converter=DATA_CONVERTER)
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(history(path))
