"""How late events arrive at a good subscriber: alone, and beside some that hang or fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from time import monotonic
from typing import Any

import httpx

from benchmarks.errors import BenchFailed
from benchmarks.figures import Mark, Row, percentile, ratios
from benchmarks.ground import Ground
from benchmarks.jobs import Job
from benchmarks.orders import Orders, dealt, transfer
from benchmarks.outcome import Outcome
from benchmarks.receivers import Answer, Mailbox, failing, hanging, mailbox, thankful
from benchmarks.rounds import by_turns
from benchmarks.town import Resident, Town
from cli.ports import LOOPBACK
from payflow.settings import Environment

ALONE = "alone"
BESIDE_HANGING = "beside one that hangs"
BESIDE_BOTH = "beside one that hangs and one that fails"
# Production refuses to deliver to this machine.
TO_LOOPBACK = {
    "PAYFLOW_ENV": Environment.TEST.value,
    "PAYFLOW_WEBHOOK_ALLOW_PRIVATE": "true",
}
CALLERS = 4
EVERY_S = 0.4  # a caller's pause: ten transfers a second, the same in both turns
TURN_FACTOR = 2  # turns as long as two others: about 170 events in a full run's
WARM_UP_ROUNDS = 1  # both kinds of turn, before anything counts
TOLD_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class _Scene:
    """A stack whose first resident has a good subscriber."""

    ground: Ground
    client: httpx.AsyncClient
    good: Mailbox

    @property
    def alice(self) -> Resident:
        return self.ground.town.residents[0]


async def measure(ground: Ground) -> Outcome:
    """The same paced load in each kind of turn; every event must arrive before a turn is over."""
    headers = {"Authorization": f"Bearer {ground.town.residents[0].token}"}
    async with (
        httpx.AsyncClient(
            base_url=f"{ground.stack.addresses.api_url}/v1", headers=headers, trust_env=False
        ) as client,
        mailbox(thankful) as good,
        _endpoint(client, good),
    ):
        scene = _Scene(ground, client, good)
        contenders: dict[str, Callable[[], Awaitable[list[float]]]] = {
            ALONE: lambda: _turn(scene),
            BESIDE_HANGING: lambda: _turn_beside(scene, hanging),
            BESIDE_BOTH: lambda: _turn_beside(scene, hanging, failing),
        }
        await by_turns(contenders, WARM_UP_ROUNDS)
        found = await by_turns(contenders, ground.options.rounds)
    return Outcome(rows(found), raw={"webhooks": {"late_s": found}})


def rows(late_s: dict[str, list[list[float]]]) -> list[Row]:
    """What each turn's events took to arrive, in seconds, and what the others cost the good one."""
    medians = {name: [percentile(turn, 0.5) for turn in turns] for name, turns in late_s.items()}
    beside = [turn for name in (BESIDE_HANGING, BESIDE_BOTH) for turn in late_s[name]]
    tail = percentile([late for turn in beside for late in turn], 0.99)
    alone = median(medians[ALONE])
    return [
        Row(
            "webhooks_late",
            f"webhook: median from event to arrival at a good subscriber, {BESIDE_BOTH}",
            tuple(medians[BESIDE_BOTH]),
            Mark(0.5, 0.25, more_is_better=False),
            f"{CALLERS / EVERY_S:.0f} transfers/s, {sum(map(len, beside)):,} events, "
            f"p99 {tail:.2f} s; alone {alone:.3f} s",
            unit="s",
        ),
        *(
            Row(
                key,
                f"webhook: that median {name} ÷ {ALONE}",
                ratios(medians[name], medians[ALONE]),
                mark,
                f"{median(medians[name]):.3f} s against {alone:.3f} s",
            )
            for key, name, mark in (
                ("webhooks_beside_hanging", BESIDE_HANGING, Mark(1.0, 1.0, more_is_better=False)),
                ("webhooks_beside_both", BESIDE_BOTH, Mark(1.25, 1.0, more_is_better=False)),
            )
        ),
    ]


def hers(town: Town, callers: int) -> Orders:
    """Transfers out of and into the first resident's wallets in turn: all of it is her news."""
    own = [purse for purse in town.purses if purse.owner is town.residents[0]]
    others = [purse for purse in town.purses if purse.owner is not town.residents[0]]
    pairs = list(zip(own, others, strict=False))
    return dealt(
        [transfer(*way) for one, two in pairs for way in ((one, two), (two, one))], callers
    )


async def _turn(scene: _Scene) -> list[float]:
    """The seconds each event of this turn took."""
    before = set(scene.good.late_s)
    ground = scene.ground
    job = Job(
        LOOPBACK,
        ground.api_port,
        hers(ground.town, CALLERS),
        TURN_FACTOR * ground.options.seconds,
        every_s=EVERY_S,
    )
    tally = await ground.load.do(job)
    if not tally.answered:
        raise BenchFailed("no transfer in a turn: turns are too short for this machine")
    await _told(scene)
    return [late for event_id, late in scene.good.late_s.items() if event_id not in before]


async def _turn_beside(scene: _Scene, *answers: Answer) -> list[float]:
    async with AsyncExitStack() as others:
        for answer in answers:
            box = await others.enter_async_context(mailbox(answer))
            await others.enter_async_context(_endpoint(scene.client, box))
        return await _turn(scene)


async def _told(scene: _Scene) -> None:
    """Return when all her events have arrived."""
    database = scene.ground.database
    deadline = monotonic() + TOLD_WITHIN_S
    while monotonic() < deadline:
        await asyncio.sleep(LOOK_EVERY_S)
        journaled = await database.journal.count_documents({})
        if journaled > await database.feed.count_documents({}):
            continue
        news = {"audience": scene.alice.user_id, "event.type": {"$regex": "^transfer"}}
        if set(await database.feed.distinct("event_id", news)) <= set(scene.good.late_s):
            return
    raise BenchFailed(f"events have not arrived after {TOLD_WITHIN_S:.0f} s")


@asynccontextmanager
async def _endpoint(client: httpx.AsyncClient, box: Mailbox) -> AsyncIterator[None]:
    """An endpoint for as long as the block; what it still waits for is cancelled with it."""
    body = {"url": box.url, "event_types": ["*"]}
    made = await client.post("/webhook-endpoints", json=body)
    if made.status_code != httpx.codes.CREATED:
        raise BenchFailed(f"no endpoint: {made.status_code} {made.text}")
    fields: dict[str, Any] = made.json()
    try:
        yield
    finally:
        await client.delete(f"/webhook-endpoints/{fields['id']}")
