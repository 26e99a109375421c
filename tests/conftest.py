"""The real stack for every test that needs one, started once: two of each, and all in one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from cli.apps import Layout
from cli.stack import EmbeddedStack, StackOptions

# One example may take long on a machine that does other work; the test's own timeout holds.
hypothesis_settings.register_profile("payflow", deadline=None)
hypothesis_settings.load_profile("payflow")

TEST_ENV = {
    "PAYFLOW_ENV": "test",
    "PAYFLOW_CRASH_POINTS": "true",
    "PAYFLOW_PARK_AFTER_S": "10",
    "PAYFLOW_SWEEP_INTERVAL_S": "2",
    "PAYFLOW_RECEIPT_PERIOD_S": "5",
    # Once as the stack starts, then when a test asks: some write into the books by hand.
    "PAYFLOW_PROOF_INTERVAL_S": "86400",
    "PAYFLOW_LOG_LEVEL": "INFO",
    "PAYFLOW_WEBHOOK_ALLOW_PRIVATE": "true",
    "PAYFLOW_WEBHOOK_TIMEOUT_S": "2",
}

TWO_OF_EACH = Layout(apis=2, workers=2)
ALL_IN_ONE = Layout()


def stack_in(folder: Path, layout: Layout) -> EmbeddedStack:
    """A stack of a test's own; ``async with`` starts and stops it."""
    return EmbeddedStack(StackOptions(data_dir=folder, layout=layout, env=TEST_ENV))


@pytest.fixture(scope="session")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """Two APIs, two workers and a relay on one set of servers."""
    async with stack_in(tmp_path_factory.mktemp("pair"), TWO_OF_EACH) as stack:
        yield stack


@pytest.fixture(scope="session")
async def single(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """One process that is API, worker and relay."""
    async with stack_in(tmp_path_factory.mktemp("single"), ALL_IN_ONE) as stack:
        yield stack


@pytest.fixture(scope="session", params=["pair", "single"])
def stack(request: pytest.FixtureRequest) -> EmbeddedStack:
    """Both layouts, one after the other: no rule may live in one process."""
    chosen: EmbeddedStack = request.getfixturevalue(request.param)
    return chosen
