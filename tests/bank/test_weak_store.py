"""The same run over a store without transactions: the checker must not be content with it.

Part of `make chaos` and `make planted`, for it needs a stack of its own.
"""

import os
from pathlib import Path

import pytest

from cli.apps import Layout
from cli.stack import EmbeddedStack, StackOptions
from tests.bank.history import Kind, Outcome
from tests.bank.run import Weather, run_bank
from tests.bank.verdict import faults_in, not_conserved
from tests.conftest import TEST_ENV
from tests.planted.planting import PLANTED

LONG = os.environ.get("PAYFLOW_STORM") == "long"
WEAK = Layout(program="tests.planted.program")


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.skipif(not LONG, reason="a stack of its own: part of the long form")
@pytest.mark.parametrize("bug", ["", "postings_without_a_transaction"])
async def test_the_checker_rejects_a_store_without_transactions(bug: str, tmp_path: Path) -> None:
    env = {**TEST_ENV, PLANTED: bug}
    options = StackOptions(data_dir=tmp_path, layout=WEAK, env=env)
    async with EmbeddedStack(options) as stack:
        history = await run_bank(stack, Weather(600, 0, patience_s=20))
    snapshots = [one for one in history.of(Kind.SNAPSHOT) if one.outcome is Outcome.OK]
    assert len(snapshots) > 20
    found = faults_in(history)
    print(f"\nseed {history.seed}: {len(found)} faults, such as {found[:1]}")  # noqa: T201
    assert bool(list(not_conserved(history))) is bool(bug), found
    assert bool(found) is bool(bug)
