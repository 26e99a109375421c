"""Nobody's money is made or lost, and every answer fits one order, whatever is killed or sleeps.

`make test` runs a short form, `make chaos` the long one (PAYFLOW_STORM=long): at least 10,000
operations and 24 faults. Seeded by PAYFLOW_STORM_SEED, which is printed; a run that fails keeps
its history beside the test's other files.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from cli.stack import EmbeddedStack
from tests.bank.history import History, Kind, Outcome
from tests.bank.run import Weather, run_bank
from tests.bank.verdict import faults_in
from tests.e2e.auditing import books_of, check_the_books

SHORT = Weather(
    250, 3, among=(("worker", "kill"), ("redis", "kill"), ("mongod", "pause")), patience_s=60
)
LONG = Weather(10_000, 24)
WEATHER = LONG if os.environ.get("PAYFLOW_STORM") == "long" else SHORT


@pytest.mark.chaos
@pytest.mark.timeout(1_200)
async def test_the_bank_keeps_its_books_whatever_strikes(
    pair: EmbeddedStack, tmp_path: Path
) -> None:
    history = await run_bank(pair, WEATHER)
    history.save(tmp_path / "history.jsonl")
    print(f"\n{told(history)}, kept in {tmp_path}")  # noqa: T201  # read by whoever repeats it
    assert faults_in(history) == []
    async with books_of(pair) as database:
        await check_the_books(database)
    assert len(history.operations) >= WEATHER.operations
    assert len(history.of(Kind.FAULT)) == WEATHER.faults
    for kind in Kind:
        assert any(one.outcome is Outcome.OK for one in history.of(kind)), kind


def told(history: History) -> str:
    """A run in one line: its seed, what was asked, and what came of it."""
    kinds = Counter(
        f"{one.kind} {one.found.get('code') or one.outcome}" for one in history.operations
    )
    took_s = max(one.ended or one.invoked for one in history.operations)
    took_s -= min(one.invoked for one in history.operations)
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"bank seed {history.seed}: {len(history.operations)} in {took_s:.0f} s: {counts}"
