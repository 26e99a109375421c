"""``payflow transfers timeline``: refuses what is no transfer, shows and draws what is one."""

import asyncio
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.stack import EmbeddedStack
from payflow.domain.identifiers import Prefix
from payflow.storage.identity import new_id
from tests.e2e.bank import bank_of

runner = CliRunner()


@pytest.fixture
def addressed(pair: EmbeddedStack, monkeypatch: pytest.MonkeyPatch) -> EmbeddedStack:
    """The environment leads to the running stack, as in containers."""
    monkeypatch.setenv("PAYFLOW_MONGO_URL", pair.addresses.mongo_url)
    monkeypatch.setenv("PAYFLOW_REDIS_URL", pair.addresses.redis_url)
    monkeypatch.setenv("PAYFLOW_TEMPORAL_ADDRESS", pair.addresses.temporal_address)
    return pair


def run(*words: str) -> tuple[int, str]:
    done = runner.invoke(app, ["transfers", "timeline", *words])
    return done.exit_code, done.output


@pytest.fixture
async def transfer_id(pair: EmbeddedStack) -> str:
    async with bank_of(pair) as bank:
        alice, bob = await bank.funded(100), await bank.person("bob")
        return str((await bank.send(alice, bob, 10, wait_s=20))["id"])


async def in_a_thread(*words: str) -> tuple[int, str]:
    return await asyncio.to_thread(run, *words)


async def test_a_transfer_is_shown_and_drawn(
    addressed: EmbeddedStack, transfer_id: str, tmp_path: Path
) -> None:
    code, shown = await in_a_thread(transfer_id)
    assert code == 0, shown
    for word in ("debited", "transfer.completed", f"{transfer_id} is completed"):
        assert word in shown
    target = tmp_path / "timeline.svg"
    code, said = await in_a_thread(transfer_id, "--svg", str(target))
    assert (code, said) == (0, f"{target} shows {transfer_id}.\n")
    assert ET.fromstring(target.read_text()).tag.endswith("svg")  # noqa: S314


async def test_what_is_no_transfer_is_refused_and_said_why(
    addressed: EmbeddedStack, transfer_id: str, tmp_path: Path
) -> None:
    for wrong in ("trf_1", "wal_01KDVE0A4Q5J7TP7S8R9VWXYZ1", ""):
        code, said = await in_a_thread(wrong)
        assert code == 1
        assert "is no transfer's id" in said
    unknown = new_id(Prefix.TRANSFER)
    assert await in_a_thread(unknown) == (1, f"There is no transfer {unknown}.\n")
    nowhere = tmp_path / "missing" / "timeline.svg"
    code, said = await in_a_thread(transfer_id, "--svg", str(nowhere))
    assert code == 1
    assert "cannot be written: No such file or directory." in said
