"""How each fault strikes, and how what it broke is made whole again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from pymongo.errors import PyMongoError

from payflow.domain.batch_ledger import ItemsOrder
from payflow.domain.batches import BatchMode
from payflow.domain.crash_points import ITEMS, CrashPoint
from payflow.domain.errors import PayflowError
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.ports import Origin
from tests.chaos.matrix.cast import Player
from tests.chaos.matrix.ground import Ground
from tests.chaos.matrix.orders import Hold, NotThere
from tests.chaos.matrix.plan import Fault, Point, Run

TWO_HOURS_S = 7_200.0
SLOW_S, SLOW_FOR_S = 0.25, 3.0
UNHEARD_FOR_S = 0.5  # the server does what it was sent, and its answer is lost
STEPS_DOWN_FOR_S, CATCHES_UP_IN_S = 5, 1
ZOMBIE_AFTER_S = 11.0  # past the 2 s of a fast attempt and the 10 s of a durable one
LATE_WRITE_S = 0.5  # what a zombie writes has arrived

KILLED = {
    Fault.KILL_WORKER: ("worker", "serve"),
    Fault.KILL_API: ("api", "serve"),
    Fault.KILL_RELAY: ("relay", "serve"),
    Fault.KILL_MONGOD: ("mongod",),
    Fault.KILL_TEMPORAL: ("temporal",),
    Fault.KILL_REDIS: ("redis",),
}

Release = Callable[[], Awaitable[None]]


@asynccontextmanager
async def struck(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    """Strike while all stand at the point, let them go; inside, the fault is over or goes on.

    Leaving makes whole what it broke: every process runs, every line is sound, clocks are right.

    Raises:
        NotThere: whoever was to be struck did not stand there any more.
    """
    strike = _STRIKES.get(run.fault, _kill)
    async with strike(ground, run, players, there):
        yield


def _still_there(ground: Ground, there: dict[Hold, int]) -> None:
    """A story can only wait for so long: it must not have gone on before it was struck."""
    gone = [" ".join(hold) for hold in there if ground.orders.pid_at(hold) is None]
    if gone:
        raise NotThere(f"gone on before the fault: {', '.join(gone)}")


@asynccontextmanager
async def _kill(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    names = ground.children(*KILLED[run.fault])
    victims = "api" if run.point is Point.ACCEPTED else "worker"
    pids = {name: ground.stack.pid(name) for name in names}
    if victims in KILLED[run.fault] and not set(there.values()) <= set(pids.values()):
        raise NotThere(f"{there} stand elsewhere than in {pids}")
    for name in names:
        ground.stack.kill(name)
    _still_there(ground, there)
    ground.orders.give()
    yield
    for name, pid in pids.items():
        await ground.stack.wait_restarted(name, pid)


@asynccontextmanager
async def _step_down(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    """The primary gives up its office; a member that has caught up is elected at once."""
    before = await _office(ground)
    while await _office(ground) == before:
        with suppress(PyMongoError):  # nobody has caught up yet; or the connection ended with it
            await ground.database.client.admin.command(
                "replSetStepDown", STEPS_DOWN_FOR_S, secondaryCatchUpPeriodSecs=CATCHES_UP_IN_S
            )
    _still_there(ground, there)
    ground.orders.give()
    yield


async def _office(ground: Ground) -> object:
    """The election of the present primary; each has its own."""
    while True:
        with suppress(PyMongoError):
            hello = await ground.database.client.admin.command("hello")
            if hello.get("electionId"):
                return hello["electionId"]
        await asyncio.sleep(0.05)


@asynccontextmanager
async def _answer_lost(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    """After the commit the attempt fails; inside it the wire to who commits loses the answer."""
    on_wire = {Point.INSIDE_TRANSACTION: "mongod", Point.BETWEEN_STEPS: "temporal"}
    if run.point in on_wire:
        proxy = ground.proxies[on_wire[run.point]]
        proxy.deafen()
        _still_there(ground, there)
        ground.orders.give()
        await asyncio.sleep(UNHEARD_FOR_S)
        proxy.reset()
    else:
        ground.orders.give(loses=[player.asked for player in players])
        await asyncio.sleep(UNHEARD_FOR_S)
        ground.orders.give()
    yield


async def _taken_by_a_third(ground: Ground, players: Sequence[Player]) -> None:
    """The same steps as another process takes them; a conflict is the answer of this moment."""

    async def take(player: Player) -> None:
        with suppress(PayflowError):
            if player.step == ITEMS:
                order = ItemsOrder(player.id, BatchMode(player.mode), 0, len(player.items))
                await ground.third.take_items(order, Origin())
            else:
                await ground.third.take(LegRequest(player.id, Leg(player.step)), Origin())

    await asyncio.gather(*(take(player) for player in players))


@asynccontextmanager
async def _twice(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    second = asyncio.create_task(_taken_by_a_third(ground, players))
    if CrashPoint.INSIDE_TRANSACTION in {player.point for player in players}:
        await asyncio.sleep(0.1)  # it has met the transaction of the first
    _still_there(ground, there)
    ground.orders.give()
    yield
    await second


@asynccontextmanager
async def _zombie(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    """They write after their time-out, and after others have done what they were about to do.

    A batch's attempt is given a minute; other processes take its items well before that.
    """
    holds = list(there)
    ground.orders.give(holds, once=True)  # their next attempts pass them by
    await asyncio.sleep(ZOMBIE_AFTER_S)
    await _taken_by_a_third(ground, players)
    _still_there(ground, there)
    ground.orders.give()
    await asyncio.sleep(LATE_WRITE_S)
    yield


@asynccontextmanager
async def _latency(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    for proxy in ground.proxies.values():
        proxy.delay_s = SLOW_S
    _still_there(ground, there)
    ground.orders.give()

    async def passes() -> None:
        await asyncio.sleep(SLOW_FOR_S)
        for proxy in ground.proxies.values():
            proxy.delay_s = 0.0

    passing = asyncio.create_task(passes())
    try:
        yield
    finally:
        await passing


@asynccontextmanager
async def _broken_lines(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    for name, proxy in ground.proxies.items():
        lines = proxy.reset() if run.fault is Fault.RESET else proxy.half_open()
        if not lines:
            raise NotThere(f"no line to {name} was open")
    _still_there(ground, there)
    ground.orders.give()
    yield


@asynccontextmanager
async def _clock(
    ground: Ground, run: Run, players: Sequence[Player], there: dict[Hold, int]
) -> AsyncIterator[None]:
    """The clocks of all processes jump but the second API's."""
    wrong_s = TWO_HOURS_S if run.fault is Fault.CLOCK_AHEAD else -TWO_HOURS_S
    names = [name for name in ground.children("api", "worker", "relay") if name != "api-2"]
    ground.orders.set_clocks({ground.stack.pid(name): wrong_s for name in names})
    _still_there(ground, there)
    ground.orders.give()
    try:
        yield
    finally:
        ground.orders.set_clocks({})


_STRIKES = {
    Fault.STEP_DOWN: _step_down,
    Fault.ANSWER_LOST: _answer_lost,
    Fault.TWICE: _twice,
    Fault.ZOMBIE: _zombie,
    Fault.LATENCY: _latency,
    Fault.RESET: _broken_lines,
    Fault.HALF_OPEN: _broken_lines,
    Fault.CLOCK_AHEAD: _clock,
    Fault.CLOCK_BEHIND: _clock,
}
