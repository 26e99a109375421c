"""The replay gate: every released saga version's histories run through today's code unchanged.

A failure here means that workflows which run now would break at the next deployment. Put the
change behind ``workflow.patched`` (or a new worker version) instead of recording again.
"""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from payflow.domain.observing import UNOBSERVED
from payflow.settings import Settings
from temporal.client import interceptors
from tests.workflows.record_histories import FOLDER
from tests.workflows.swapped import CreditBeforeDebit
from workflows.transfer import TransferWorkflow

HISTORIES = sorted(FOLDER.rglob("*.json"))
SHAPES = {
    "completed",
    "refused",
    "compensated",
    "parked_then_retried",
    "parked_then_refunded",
    "slow_credit",
}


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("transfer/replayed", path.read_text())


def test_each_shape_of_each_version_is_there() -> None:
    versions = {path.parent.name for path in HISTORIES}
    assert versions
    for version in versions:
        assert {path.stem for path in HISTORIES if path.parent.name == version} >= SHAPES


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_released_history_replays(path: Path) -> None:
    replayer = Replayer(workflows=[TransferWorkflow], data_converter=pydantic_data_converter)
    result = await replayer.replay_workflow(history(path))
    assert result.replay_failure is None


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_it_replays_however_it_is_watched(path: Path) -> None:
    settings = Settings(otlp_endpoint="http://127.0.0.1:4318")
    replayer = Replayer(
        workflows=[TransferWorkflow],
        data_converter=pydantic_data_converter,
        interceptors=interceptors(settings, UNOBSERVED),
    )
    result = await replayer.replay_workflow(history(path))
    assert result.replay_failure is None


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_swapped_command_does_not(path: Path) -> None:
    replayer = Replayer(workflows=[CreditBeforeDebit], data_converter=pydantic_data_converter)
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(history(path))
