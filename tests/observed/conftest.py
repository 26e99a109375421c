"""One stack with an API, a worker and a relay apart, watched from all sides."""

import base64
from collections.abc import AsyncIterator, Iterator

import pytest

from cli.apps import Layout
from cli.stack import EmbeddedStack, StackOptions
from payflow.settings import Settings
from tests.conftest import TEST_ENV
from tests.e2e.bank import Bank, Person, bank_of
from tests.e2e.conftest import new_operator
from tests.observed.collector import Collector, collecting

KEYS = f"now:{base64.b64encode(b'1' * 32).decode()},before:{base64.b64encode(b'2' * 32).decode()}"
ORIGIN = "http://127.0.0.1:8233"


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="session")
async def watched(
    collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EmbeddedStack]:
    env = TEST_ENV | {
        "PAYFLOW_OTLP_ENDPOINT": collector.endpoint,
        "PAYFLOW_CODEC_KEYS": KEYS,
        "PAYFLOW_CODEC_ORIGIN": ORIGIN,
    }
    options = StackOptions(tmp_path_factory.mktemp("watched"), layout=Layout(1, 1), env=env)
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def bank(watched: EmbeddedStack) -> AsyncIterator[Bank]:
    async with bank_of(watched) as opened:
        yield opened


@pytest.fixture
async def operator(watched: EmbeddedStack, bank: Bank) -> Person:
    return await new_operator(watched, bank)


def settings_of(stack: EmbeddedStack, **more: object) -> Settings:
    """Settings of a process of the test's own on that stack."""
    return Settings(temporal_address=stack.addresses.temporal_address, **more)  # type: ignore[arg-type]
