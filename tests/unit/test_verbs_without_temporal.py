"""A verb is refused, not a bug, where Temporal was never reached."""

import pytest

from payflow.domain.errors import WorkflowCannotRun
from payflow.domain.repairs import RepairOrder, Verb
from payflow.settings import Settings
from temporal.client import connect
from temporal.sagas import TemporalSagas
from tests.fakes import transfer


async def test_a_client_that_never_connected_refuses_the_verb() -> None:
    nobody = Settings(temporal_address="127.0.0.1:9")
    sagas = TemporalSagas(await connect(nobody, lazy=True), park_after_s=10)
    order = RepairOrder(Verb.PAUSE, "usr_OPERATOR", "there is no Temporal", "act_1")
    with pytest.raises(WorkflowCannotRun):
        await sagas.repair(transfer(), order)
