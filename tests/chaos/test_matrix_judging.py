"""A cell turns red when its transfer had less or more than its one effect, or has not ended."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.crash_points import CrashPoint
from tests.chaos.matrix.cast import COMPENSATED, COMPLETED, Player
from tests.chaos.matrix.ground import Ground, ground_on
from tests.chaos.matrix.judging import Cell, judged
from tests.chaos.matrix.plan import Fault, Point, Run, Shape
from tests.e2e.bank import Json

RUN = Run(Point.BEFORE_STEP, Fault.KILL_WORKER)


@pytest.fixture(scope="module")
async def ground(pair: EmbeddedStack) -> AsyncIterator[Ground]:
    async with ground_on(pair, [], {}) as made:
        yield made


@pytest.fixture(scope="module")
async def player(ground: Ground) -> Player:
    """A transfer that nothing happened to."""
    item = await ground.cast.item(COMPLETED, random.Random(1))
    made = Player(Shape.COMPLETED, [item], CrashPoint.BEFORE_STEP, "debit", "debit")
    made.id = (await _sent(ground, made))["id"]
    made.seconds = 0.1
    return made


async def _sent(ground: Ground, player: Player) -> Json:
    bank, alice = ground.cast.bank, ground.cast.alice
    answer = await bank.insist(
        "POST", player.path, alice, body=player.body, key=player.key, prefer="wait=20"
    )
    sent: Json = answer.json()
    assert sent["status"] == "completed"
    return sent


async def _cell(ground: Ground, player: Player) -> Cell:
    return next(c for c in await judged(ground, RUN, [player]) if c.shape is Shape.COMPLETED)


async def test_a_transfer_with_its_one_effect_is_green(ground: Ground, player: Player) -> None:
    cell = await _cell(ground, player)
    assert (cell.complaints, cell.sagas, cell.seconds) == ([], 1, 0.1)


async def test_one_that_ended_otherwise_is_lost(ground: Ground, player: Player) -> None:
    other = replace(player, items=[replace(player.items[0], end=COMPENSATED)])
    assert (await _cell(ground, other)).lost


@pytest.mark.parametrize(
    ("whose", "wanted", "which"),
    [
        ("destination", +1, "lost"),
        ("destination", -1, "doubled"),
        ("source", +1, "doubled"),
        ("source", -1, "lost"),
    ],
)
async def test_a_wallet_with_too_little_or_too_much_is_seen(
    ground: Ground, player: Player, whose: str, wanted: int, which: str
) -> None:
    item = player.items[0]
    wallet = item.body[f"{whose}_wallet_id"]
    balances = {**item.balances, wallet: item.balances[wallet] + wanted}
    cell = await _cell(ground, replace(player, items=[replace(item, balances=balances)]))
    assert [bool(cell.lost), bool(cell.doubled)] == [which == "lost", which == "doubled"]


async def test_a_key_that_made_two_transfers_is_doubled(ground: Ground, player: Player) -> None:
    item = await ground.cast.item(COMPLETED, random.Random(2))
    first = replace(player, items=[item], key="judging-1")
    await _sent(ground, first)
    again = {**item.body, "source_wallet_id": item.body["destination_wallet_id"]}
    assert (await _cell(ground, first)).complaints == []
    await ground.cast.bank.insist(
        "POST", first.path, ground.cast.bob, body=again | _back(item.body), key="judging-2"
    )
    await ground.cast.bank.insist(
        "POST", first.path, ground.cast.alice, body=item.body, key="judging-3", prefer="wait=20"
    )
    assert (await _cell(ground, first)).doubled


def _back(body: Json) -> Json:
    return {"destination_wallet_id": body["source_wallet_id"]}


async def test_one_that_was_never_made_is_lost(ground: Ground, player: Player) -> None:
    item = await ground.cast.item(COMPLETED, random.Random(3))
    assert (await _cell(ground, replace(player, items=[item]))).lost


async def test_one_that_has_not_ended_is_stuck(ground: Ground, player: Player) -> None:
    cell = await _cell(ground, replace(player, seconds=None))
    assert cell.stuck
    assert cell.seconds is None
