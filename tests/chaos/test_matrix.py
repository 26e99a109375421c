"""The crash matrix: every shape at every crash point under every fault, one effect each.

`make chaos` plays all runs (PAYFLOW_STORM=long) and writes docs/proof.md; `make test` plays a few
that are drawn from the seed, on the stack that other tests use. A run alone, as it was:
PAYFLOW_STORM=long PAYFLOW_STORM_SEED=… pytest 'tests/chaos/test_matrix.py' -k fault-point
"""

import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from cli.stack import EmbeddedStack
from tests.chaos.fault_proxy import FaultProxy
from tests.chaos.matrix.ground import Ground, ground_on, proxied_stack, three_member_stack
from tests.chaos.matrix.plan import ON_THE_WIRE, Fault, Run, Shape, runs, seed
from tests.chaos.matrix.play import play
from tests.chaos.matrix.report import Record, write_page

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

LONG = os.environ.get("PAYFLOW_STORM") == "long"
IN_SHORT = 3
NOT_IN_FLIGHT = set() if LONG else {Shape.PARKED}  # to park takes longer than the short form may


def _ground_of(run: Run) -> str:
    if not LONG:
        return "shared"
    return "three" if run.fault is Fault.STEP_DOWN else "proxied"


def _chosen() -> list[Run]:
    """All in the long form, those on three members last; else a few that need no stack of own."""
    if LONG:
        return sorted(runs(), key=_ground_of)
    # a period of receipts that a wrong clock has sealed stays sealed, to the harm of other tests
    clocks = {Fault.CLOCK_AHEAD, Fault.CLOCK_BEHIND}
    needs_own = ON_THE_WIRE | clocks | {Fault.STEP_DOWN, Fault.ANSWER_LOST}
    return random.Random(seed()).sample([r for r in runs() if r.fault not in needs_own], IN_SHORT)


@pytest.fixture(scope="module")
def record() -> Iterator[Record]:
    """What the runs came to; the page is written when none is missing."""
    made = Record(seed())
    yield made
    if LONG and made.is_whole(runs()):
        write_page(made)


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> EmbeddedStack | None:
    """The stack that other tests use; none where runs have their own."""
    return None if LONG else request.getfixturevalue("pair")


@pytest.fixture(scope="module")
async def ground(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    shared: EmbeddedStack | None,
) -> AsyncIterator[Ground]:
    """The stack of the runs that are played this time, with a parked transfer for each."""
    kind, folder = request.param, tmp_path_factory.mktemp("matrix")
    played = [run for run in _played(request) if _ground_of(run) == kind]
    async with AsyncExitStack() as opened:
        proxies: dict[str, FaultProxy] = {}
        if shared is not None:
            stack, played = shared, []
        elif kind == "proxied":
            stack, proxies = await opened.enter_async_context(proxied_stack(folder))
        else:
            stack = await opened.enter_async_context(three_member_stack(folder))
        yield await opened.enter_async_context(ground_on(stack, played, proxies))


def _played(request: pytest.FixtureRequest) -> list[Run]:
    ids = [item.name for item in request.session.items if "test_matrix" in str(item.path)]
    return [run for run in runs() if any(f"[{run}]" in name for name in ids)]


@pytest.mark.parametrize(
    ("ground", "run"),
    [(_ground_of(run), run) for run in _chosen()],
    ids=[str(run) for run in _chosen()],
    indirect=["ground"],
    scope="module",
)
async def test_every_shape_has_one_effect(ground: Ground, run: Run, record: Record) -> None:
    again = f"PAYFLOW_STORM=long PAYFLOW_STORM_SEED={seed()} pytest tests/chaos/test_matrix.py"
    again += f" -k '{run}'"
    try:
        cells, void = await play(ground, run)
    except AssertionError as error:
        record.broke(run, str(error))
        pytest.fail(f"{run}: {error}\nto repeat it: {again}")
    assert {cell.shape for cell in cells} == set(run.shapes()) - NOT_IN_FLIGHT
    record.add(run, cells, void)
    wrong = [f"{cell.shape}: {complaint}" for cell in cells for complaint in cell.complaints]
    assert not wrong, "\n".join([f"{run}:", *wrong, f"to repeat it: {again}"])
