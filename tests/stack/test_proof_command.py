"""``payflow proof`` and the schedule behind it, on a running stack."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client, ScheduleHandle
from typer.testing import CliRunner

from cli.main import app
from cli.stack import EmbeddedStack
from temporal.client import connect
from temporal.names import PROOF_SCHEDULE_ID
from temporal.schedules import ensure_proof_schedule
from tests.conftest import TEST_ENV
from tests.e2e.bank import Json, bank_of
from tests.observed.conftest import settings_of


@pytest.fixture(autouse=True)
def addressed(single: EmbeddedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment leads to the running stack, as in containers."""
    monkeypatch.setenv("PAYFLOW_MONGO_URL", single.addresses.mongo_url)
    monkeypatch.setenv("PAYFLOW_TEMPORAL_ADDRESS", single.addresses.temporal_address)


@pytest.fixture
async def temporal(single: EmbeddedStack) -> Client:
    return await connect(settings_of(single))


@pytest.fixture
async def schedule(temporal: Client) -> AsyncIterator[ScheduleHandle]:
    """The schedule, afterwards as the stack made it."""
    handle = temporal.get_schedule_handle(PROOF_SCHEDULE_ID)
    yield handle
    await handle.unpause()
    await ensure_proof_schedule(temporal, float(TEST_ENV["PAYFLOW_PROOF_INTERVAL_S"]))


async def shown(*words: str) -> Json:
    done = await asyncio.to_thread(CliRunner().invoke, app, ["proof", *words])
    assert done.exit_code == 0, done.output
    said: Json = json.loads(done.output)
    return said


async def test_a_full_pass_is_made_when_asked_and_shown(single: EmbeddedStack) -> None:
    async with bank_of(single) as bank:
        first = await bank.first_proof()
    last = await shown()
    full = await shown("--full")
    assert first["number"] <= last["number"] < full["number"]
    assert full["scope"] == "full"
    assert full["transfers_checked"] >= last["transfers_checked"]
    assert (await shown())["hash"] == full["hash"]


async def test_the_schedule_follows_the_setting_and_stays_paused(
    temporal: Client, schedule: ScheduleHandle
) -> None:
    assert await every(schedule) == timedelta(days=1)
    await schedule.pause(note="while we look into it")

    await ensure_proof_schedule(temporal, 3_600)

    found = (await schedule.describe()).schedule
    assert await every(schedule) == timedelta(hours=1)
    assert (found.state.paused, found.state.note) == (True, "while we look into it")


async def every(schedule: ScheduleHandle) -> timedelta:
    (interval,) = (await schedule.describe()).schedule.spec.intervals
    return interval.every
