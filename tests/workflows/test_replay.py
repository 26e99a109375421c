"""The replay gate: every released version's histories run through today's code unchanged.

A failure here means that workflows which run now would break at the next deployment. Put the
change behind ``workflow.patched`` (or a new worker version) instead of recording again.
"""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from temporal.converter import DATA_CONVERTER
from tests.workflows.record_histories import FOLDER
from tests.workflows.swapped import ClosesBatchFirst, CreditBeforeDebit
from workflows.batch import BatchWorkflow
from workflows.transfer import TransferWorkflow

HISTORIES = sorted(FOLDER.rglob("*.json"))
TRANSFER_SHAPES = {
    "completed",
    "refused",
    "compensated",
    "parked_then_retried",
    "parked_then_refunded",
    "slow_credit",
}
BATCH_SHAPES = {
    "independent",
    "stopped",
    "atomic",
    "rejected",
    "left_to_themselves",
    "parked",
}

of_each_history = pytest.mark.parametrize(
    "path", HISTORIES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("story/replayed", path.read_text())


def test_each_shape_of_each_version_is_there() -> None:
    versions = {path.parent.name for path in HISTORIES}
    assert {version.startswith("batch-") for version in versions} == {True, False}
    for version in versions:
        shapes = BATCH_SHAPES if version.startswith("batch-") else TRANSFER_SHAPES
        assert {path.stem for path in HISTORIES if path.parent.name == version} >= shapes


@of_each_history
async def test_a_released_history_replays(path: Path) -> None:
    replayer = Replayer(workflows=[TransferWorkflow, BatchWorkflow], data_converter=DATA_CONVERTER)
    result = await replayer.replay_workflow(history(path))
    assert result.replay_failure is None


@of_each_history
async def test_a_swapped_command_does_not(path: Path) -> None:
    replayer = Replayer(
        workflows=[CreditBeforeDebit, ClosesBatchFirst], data_converter=DATA_CONVERTER
    )
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(history(path))
