"""Whatever is asked in whatever order, the API does as a model of a few dicts.

`make test` walks a short way, the same each time, on the stack that is there; `make chaos` goes at
least 300 walks of 50 steps on a stack that parks after two seconds, so that time passes as well
(PAYFLOW_STORM=long).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from cli.apps import Layout
from cli.stack import EmbeddedStack, StackOptions
from tests.conftest import TEST_ENV
from tests.e2e.auditing import books_of, check_the_books
from tests.e2e.bank import bank_of
from tests.e2e.conftest import new_operator
from tests.model.machine import BankMachine, Bench

LONG = os.environ.get("PAYFLOW_STORM") == "long"
# A walk that fails is not made shorter, for each try takes seconds: it is told, and repeatable.
WALKS = settings(
    max_examples=300 if LONG else 8,
    stateful_step_count=50 if LONG else 25,
    derandomize=not LONG,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
PARKS_AFTER_S = 2


@pytest.fixture
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """A stack of its own that parks soon."""
    env = {**TEST_ENV, "PAYFLOW_PARK_AFTER_S": str(PARKS_AFTER_S)}
    folder = tmp_path_factory.mktemp("model")
    async with EmbeddedStack(StackOptions(folder, layout=Layout(), env=env)) as own:
        yield own


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> EmbeddedStack:
    """The stack that is there; in the long form one of its own."""
    chosen: EmbeddedStack = request.getfixturevalue("impatient" if LONG else "single")
    return chosen


@pytest.mark.chaos
@pytest.mark.timeout(1_800)
async def test_the_api_does_as_the_model(stack: EmbeddedStack) -> None:
    async with bank_of(stack) as bank, books_of(stack) as database:
        alice, operator = await bank.person(), await new_operator(stack, bank)
        with client_of(stack) as http:
            bench = Bench(http, alice, operator, 30.0 if LONG else None)
            try:
                await asyncio.to_thread(walk, bench)
            finally:
                await bank.end_rehearsal(operator)
        print(f"\n{bench.steps} requests")  # noqa: T201  # read, not asserted
        assert bench.steps >= (15_000 if LONG else 200)
        await check_the_books(database)


def walk(bench: Bench) -> None:
    """Let Hypothesis lead the machine about."""
    machine = type("Walk", (BankMachine,), {"bench": bench})
    run_state_machine_as_test(machine, settings=WALKS)


@contextmanager
def client_of(stack: EmbeddedStack) -> Iterator[httpx.Client]:
    """A synchronous client of the first API."""
    with httpx.Client(base_url=stack.addresses.api_url, timeout=40, trust_env=False) as client:
        yield client
