"""With keys, a history's failures are read by who has the key, and by nobody else."""

import asyncio

from cli.stack import EmbeddedStack
from payflow.domain.attempts import Lane
from payflow.domain.timeline_ports import Told
from temporal.activity_events import UNREADABLE
from temporal.client import connect
from temporal.histories import TemporalHistories
from temporal.sagas import TemporalSagas
from tests.e2e.bank import Bank, Person
from tests.observed.conftest import KEYS, settings_of

OTHER = "other:" + KEYS.partition(":")[2].partition(",")[0]


async def told_of(stack: EmbeddedStack, workflow_id: str, keys: str) -> Told:
    """What this holder of keys reads once the step is in its second lane, and waits."""
    client = await connect(settings_of(stack, codec_keys=keys))
    histories = TemporalHistories(TemporalSagas(client, park_after_s=10))
    async with asyncio.timeout(30):
        while True:
            told = await histories.told(workflow_id, [])
            assert told is not None
            if told.pending is not None and told.pending.number > 1:
                return told
            await asyncio.sleep(0.1)


async def test_a_timeline_reads_encrypted_failures(
    watched: EmbeddedStack, bank: Bank, operator: Person
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    await bank.rehearse(operator, {"step": "credit", "failure_type": "error", "failure_rate": 1})
    sent = await bank.send(alice, bob, 40)
    told = await told_of(watched, sent["workflow_id"], KEYS)
    blind = await told_of(watched, sent["workflow_id"], OTHER)
    await bank.end_rehearsal(operator)
    await bank.ended(alice, sent["id"])
    fast, durable = told.counted
    assert told.running
    assert (fast.last.lane, fast.last.number, fast.last.leg) == (Lane.FAST, 3, "credit")
    assert durable.last.lane is Lane.DURABLE
    text = "RehearsedError: rehearsed error before the commit of the credit"
    assert (fast.last.failure, durable.failure) == (text, text)
    assert {one.failure or one.last.failure for one in blind.counted} == {UNREADABLE}
