"""Fewer transfers are accepted while even the quickest takes long, and more when it does not."""

import asyncio
from collections import deque
from dataclasses import dataclass, replace

import pytest
from starlette.types import Scope

from api.pressure import LESS
from api.saga_pressure import AT_FIRST, FEWEST, INTERVAL_S, TIMES, SagaLimit, SagaPressure, answered
from payflow.domain.errors import BooksUnavailable
from payflow.domain.transfers import Transfer, TransferStatus
from tests import fakes

BEARABLE_S = 0.25
MOST = 600


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def taught(limit: SagaLimit, clock: Clock, took_s: float, intervals: int) -> int:
    """So many intervals in which all places were taken and each saga took so long."""
    for _ in range(intervals):
        limit.learn(took_s, limit.places)
        clock.at += took_s + INTERVAL_S
        limit.learn(took_s, limit.places)
    return limit.places


def test_the_limit_rises_while_they_are_quick_and_falls_to_a_few_while_all_take_long() -> None:
    clock = Clock()
    limit = SagaLimit(MOST, BEARABLE_S, clock)

    assert limit.places == AT_FIRST
    assert taught(limit, clock, 0.02, 20) == MOST
    assert taught(limit, clock, 2.0, 1) == MOST * LESS
    assert taught(limit, clock, 2.0, 20) == FEWEST
    assert taught(limit, clock, 0.02, 12) > 4 * FEWEST


def test_it_does_not_rise_while_nobody_needs_it() -> None:
    clock = Clock()
    limit = SagaLimit(MOST, BEARABLE_S, clock)
    for _ in range(50):
        limit.learn(0.02, AT_FIRST // 2 - 1)
        clock.at += INTERVAL_S

    assert limit.places == AT_FIRST


def test_some_that_are_held_up_prove_nothing() -> None:
    clock = Clock()
    limit = SagaLimit(MOST, BEARABLE_S, clock)
    for _ in range(50):
        limit.learn(9.0, limit.places)
        limit.learn(0.02, limit.places)
        clock.at += INTERVAL_S

    assert limit.places == MOST


@dataclass
class Run:
    served: int
    refused: int
    late_s: list[float]


def simulated(bearable_s: float, per_second: int, capacity: int = 40, seconds: int = 60) -> Run:
    """Sagas served one after the other, so many a second; arrivals beyond the limit are refused."""
    clock = Clock()
    limit = SagaLimit(MOST, bearable_s, clock)
    queue: deque[float] = deque()
    run = Run(0, 0, [])
    step_s = 1 / (per_second * capacity)
    for step in range(int(seconds / step_s)):
        clock.at = step * step_s
        if step % capacity == 0:
            if len(queue) < limit.places:
                queue.append(clock.at)
            else:
                run.refused += 1
        if step % per_second == 0 and queue:
            took_s = clock.at - queue.popleft()
            limit.learn(took_s, len(queue))
            run.served += 1
            run.late_s.append(took_s)
    return run


def test_at_four_times_what_it_can_the_served_are_served_soon_and_as_many_as_can_be() -> None:
    run = simulated(BEARABLE_S, 160)

    assert max(run.late_s) < 4 * BEARABLE_S
    assert run.served > 0.95 * 40 * 60
    assert run.refused > 100 * 60


def test_without_a_limit_the_served_wait_in_line() -> None:
    assert max(simulated(1_000.0, 160).late_s) > 10


def test_what_it_can_do_it_does() -> None:
    run = simulated(BEARABLE_S, 30)

    assert run.refused == 0
    assert max(run.late_s) < BEARABLE_S


POST: Scope = {"type": "http", "method": "POST", "path": "/v1/transfers"}


def transfer(status: TransferStatus) -> Transfer:
    return replace(fakes.transfer(), status=status)


def full(pressure: SagaPressure) -> list[Scope]:
    """Transfers until one is refused."""
    scopes: list[Scope] = []
    while pressure.lets_in(scope := dict(POST)):
        scopes.append(scope)
    return scopes


async def test_a_place_is_kept_until_its_transfer_has_ended() -> None:
    pressure = SagaPressure(2, BEARABLE_S / TIMES)
    first, second = full(pressure)
    assert pressure.lets_in({**POST, "path": "/v1/wallets"})  # of transfers alone
    has_ended = asyncio.Event()

    async def ended(_: float) -> Transfer:
        await has_ended.wait()
        return transfer(TransferStatus.COMPLETED)

    pressure.watch(first, transfer(TransferStatus.INITIATED), ended)
    answered(first)
    assert not pressure.lets_in(dict(POST))
    has_ended.set()
    await asyncio.sleep(0.01)
    assert pressure.under_way == 1
    answered(second)  # it was refused for another reason
    assert len(full(pressure)) == 2


async def test_a_place_is_free_when_nobody_can_say_what_became_of_the_transfer() -> None:
    pressure = SagaPressure(1, BEARABLE_S / TIMES)
    (only,) = full(pressure)

    async def silent(_: float) -> Transfer:
        raise BooksUnavailable

    pressure.watch(only, transfer(TransferStatus.INITIATED), silent)
    answered(only)
    await asyncio.sleep(0.01)
    assert len(full(pressure)) == 1


async def test_one_that_has_ended_in_its_request_leaves_at_once() -> None:
    pressure = SagaPressure(1, BEARABLE_S / TIMES)
    (only,) = full(pressure)

    async def never(_: float) -> Transfer:
        pytest.fail("nobody waits for what has ended")

    pressure.watch(only, transfer(TransferStatus.COMPLETED), never)
    assert pressure.under_way == 0
    answered(only)
    assert pressure.under_way == 0


def test_where_nothing_is_looked_for_all_are_let_in() -> None:
    pressure = SagaPressure(1, None)

    assert all(pressure.lets_in(dict(POST)) for _ in range(10))
    assert pressure.under_way == 0
