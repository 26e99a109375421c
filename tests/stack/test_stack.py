"""The embedded stack, whole: what it says of itself, and how it takes a death."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.apps import Layout
from cli.pids import birth
from cli.ports import LOOPBACK
from cli.servers import TEMPORAL_HTTP_HOST
from cli.stack import EmbeddedStack, StackOptions
from temporal.names import SEARCH_ATTRIBUTES
from tests.stack.waiting import eventually

NAMESPACE = "payments"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
async def stack(data_dir: Path) -> AsyncIterator[EmbeddedStack]:
    async with EmbeddedStack(options(data_dir)) as stack:
        yield stack


def options(data_dir: Path) -> StackOptions:
    layout = Layout(apis=2, workers=1)
    return StackOptions(data_dir, layout=layout, namespace=NAMESPACE, env={"PAYFLOW_ENV": "test"})


def facts(data_dir: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((data_dir / "stack.json").read_text())
    return value


async def test_every_api_answers_where_the_stack_says(stack: EmbeddedStack, data_dir: Path) -> None:
    said = facts(data_dir)

    assert said["api_url"] == said["api_urls"][0] == stack.addresses.api_url
    assert len(said["api_urls"]) == 2
    async with httpx.AsyncClient() as client:
        for url in said["api_urls"]:
            assert (await client.get(f"{url}/health/ready")).status_code == 200


async def test_every_pid_is_a_child_that_runs(stack: EmbeddedStack, data_dir: Path) -> None:
    said = facts(data_dir)

    roles = [child["role"] for child in said["children"]]
    assert roles == ["mongod", "redis", "temporal", "api", "api", "worker", "relay"]
    assert said["pids"] == {
        name: stack.pid(name) for name in ("api", "worker", "relay", "mongod", "redis", "temporal")
    }
    assert all(birth(child["pid"]) for child in said["children"])


async def test_the_namespace_knows_our_search_attributes(stack: EmbeddedStack) -> None:
    ports = json.loads((stack.data_dir / "ports.json").read_text())
    url = f"http://{LOOPBACK}:{ports['temporal-http']}/api/v1/namespaces/{NAMESPACE}"

    async with httpx.AsyncClient(headers={"Host": TEMPORAL_HTTP_HOST}) as client:
        known = (await client.get(f"{url}/search-attributes")).json()["customAttributes"]

    assert {key.name for key in SEARCH_ATTRIBUTES} <= set(known)


@pytest.mark.parametrize("name", ["worker", "redis", "temporal", "mongod"])
async def test_a_child_that_is_killed_is_back_on_its_port_under_a_new_pid(
    stack: EmbeddedStack, data_dir: Path, name: str
) -> None:
    before = {child["role"]: child["port"] for child in facts(data_dir)["children"]}

    old = stack.kill(name)
    new = await stack.wait_restarted(name, old)

    assert new != old
    assert birth(old) is None
    await eventually(lambda: facts(data_dir)["pids"][name] == new)
    after = {child["role"]: child["port"] for child in facts(data_dir)["children"]}
    assert after == before


async def test_a_server_can_be_down_for_a_while(stack: EmbeddedStack) -> None:
    await stack.take_down("redis")
    async with httpx.AsyncClient() as client:
        degraded = await client.get(f"{stack.addresses.api_url}/health/ready")
        await stack.bring_up("redis")

    assert degraded.status_code == 200  # money moves without Redis
