"""``payflow proof`` and the schedule behind it, on a running stack."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from temporalio.client import Client, ScheduleHandle
from typer.testing import CliRunner, Result

from cli.main import app
from cli.stack import EmbeddedStack
from payflow.domain.identifiers import Prefix
from payflow.storage.identity import SystemClock, new_id
from temporal.client import connect
from temporal.names import PROOF_SCHEDULE_ID
from temporal.schedules import ensure_proof_schedule
from tests.conftest import TEST_ENV
from tests.e2e.bank import PASSWORD, Json, bank_of, new_email
from tests.e2e.conftest import new_operator
from tests.e2e.conservation import an_open_finding
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


class Later(SystemClock):
    """A clock on which the last proof is of long ago."""

    def now(self) -> datetime:
        return super().now() + timedelta(days=4)


async def test_a_stale_proof_is_shown_and_is_not_ok(
    single: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bank_of(single) as bank:
        await bank.first_proof()
    monkeypatch.setattr("cli.proof.SystemClock", Later)
    done = await asyncio.to_thread(CliRunner().invoke, app, ["proof"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["object"] == "proof"
    assert "stale" in done.stderr


async def test_findings_are_listed_and_closed(single: EmbeddedStack) -> None:
    finding_id = new_id(Prefix.FINDING)

    async def run(*words: str) -> Result:
        asked = ["proof", *words, *sign_in, "--api-url", single.addresses.api_url]
        return await asyncio.to_thread(CliRunner().invoke, app, asked)

    async with bank_of(single) as bank, an_open_finding(single, finding_id):
        email = new_email("olivia")
        await new_operator(single, bank, email)
        sign_in = ("--email", email, "--password", PASSWORD)
        opened = await run("findings")
        closed = await run("close", finding_id, "--reason", "put right")
        again = await run("close", finding_id, "--reason", "put right")
        rest, every = await run("findings"), await run("findings", "--all")

    assert (opened.exit_code, finding_id in opened.output) == (1, True)
    assert closed.exit_code == 0, closed.output
    assert "put right" in closed.output
    assert (again.exit_code, "finding_closed" in again.output) == (1, True)
    assert (rest.exit_code, rest.output) == (0, "0 open.\n")
    assert finding_id in every.output


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
