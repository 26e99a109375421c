"""Processes whose MongoDB client is blocked say so, end, and are started again."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.apps import Layout
from cli.doctor.examination import examine
from cli.doctor.rows import Verdict
from cli.ports import TRUST_NOBODY
from cli.stack import EmbeddedStack, StackOptions
from payflow.settings import Settings

APART = Layout(apis=1, workers=1, program="tests.doctor.program")
TOGETHER = Layout(program="tests.doctor.program")
SAYS_SO_WITHIN_S = 30.0
IS_BACK_WITHIN_S = 60.0
BLOCKED = 'payflow_dependency_blocked{dependency="mongo"} 1.0'


@pytest.fixture(params=[APART, TOGETHER], ids=["apart", "together"])
async def blockable(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[EmbeddedStack]:
    options = StackOptions(data_dir=tmp_path, layout=request.param, env={"PAYFLOW_ENV": "test"})
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5, trust_env=False, verify=TRUST_NOBODY) as client:
        yield client


async def test_a_blocked_process_says_so_ends_and_is_started_again(
    blockable: EmbeddedStack, http: httpx.AsyncClient
) -> None:
    stack = blockable
    ready, pages = f"{stack.addresses.api_url}/health/ready", dict(stack.metrics_urls)
    for url in pages.values():
        assert BLOCKED not in (await http.get(url)).text
    settings = Settings(
        mongo_url=stack.addresses.mongo_url,
        redis_url=stack.addresses.redis_url,
        temporal_address=stack.addresses.temporal_address,
    )
    (calm,) = await examine(settings, only=["processes"], pages=list(pages.values()))
    assert calm.verdict is Verdict.GREEN

    pids = {name: stack.kill(name, signal.SIGUSR1) for name in pages}
    async with asyncio.timeout(SAYS_SO_WITHIN_S):
        for url in pages.values():
            while BLOCKED not in (await http.get(url)).text:
                await asyncio.sleep(0.2)
    answer = await http.get(ready)
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert answer.json()["dependencies"]["mongo"]["status"] == "blocked"
    (row,) = await examine(settings, only=["processes"], pages=list(pages.values()))
    assert row.verdict is Verdict.RED
    assert row.found.startswith("reads from MongoDB hang in ")

    async with asyncio.timeout(IS_BACK_WITHIN_S):
        for name, pid in pids.items():
            await stack.wait_restarted(name, pid)
    assert (await http.get(ready)).status_code == 200
    for name in pages:
        log = (stack.data_dir / "logs" / f"{name}.log").read_text()
        assert log.count("this process ends, to be started again") == 1
