"""A verb that meets no Temporal is refused, and nothing else is heard of it."""

import asyncio
import gc
from typing import Any

import pytest

from payflow.domain.errors import WorkflowCannotRun
from payflow.domain.repairs import RepairOrder, Verb
from payflow.settings import Settings
from temporal import client, sagas
from tests.fakes import transfer


async def test_a_verb_leaves_no_unheard_failure_behind() -> None:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    nobody = Settings(temporal_address="127.0.0.1:9")
    asking = sagas.TemporalSagas(await client.connect(nobody, lazy=True), park_after_s=10)
    order = RepairOrder(Verb.PAUSE, "usr_OPERATOR", "there is no Temporal", "act_1")
    with pytest.raises(WorkflowCannotRun):
        await asking.repair(transfer(), order)
    gc.collect()
    await asyncio.sleep(0)
    assert unheard == []
