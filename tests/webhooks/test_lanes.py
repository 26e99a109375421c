"""Lanes of first attempts, without a stack: who waits for whom, and who never does."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from payflow.domain.webhook_ports import Opened, Overdue
from payflow.domain.webhooks import DeliveryStatus, Verdict
from payflow.webhooks import dispatch
from payflow.webhooks.dispatch import Dispatch
from workers.pickup import PickUp

PLACES = 4
SUCCEEDED = Verdict(DeliveryStatus.SUCCEEDED)
AGAIN = Verdict(DeliveryStatus.PENDING, 5.0)


@dataclass
class Desk:
    """``Attempts`` in memory: each endpoint has so many places and behaves as told."""

    places: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: PLACES))
    behave: dict[str, Callable[[], Awaitable[Verdict]]] = field(default_factory=dict)
    busy: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    done: list[str] = field(default_factory=list)

    async def attempt(self, delivery_id: str) -> Verdict:
        raise NotImplementedError(delivery_id)

    async def attempt_if_free(self, delivery_id: str) -> Verdict | None:
        endpoint_id = delivery_id.partition("/")[0]
        self.asked[endpoint_id] += 1
        await asyncio.sleep(0)
        if self.busy[endpoint_id] >= self.places[endpoint_id]:
            return None
        self.busy[endpoint_id] += 1
        self.most[endpoint_id] = max(self.most[endpoint_id], self.busy[endpoint_id])
        try:
            verdict = await self.behave.get(endpoint_id, _take)()
        finally:
            self.busy[endpoint_id] -= 1
        self.done.append(delivery_id)
        return verdict


@dataclass
class Road:
    """``Couriers`` in memory."""

    carried: list[tuple[str, float]] = field(default_factory=list)

    async def carry(self, delivery_id: str, wait_s: float) -> None:
        self.carried.append((delivery_id, wait_s))

    async def wake(self, delivery_ids: Sequence[str]) -> None:
        raise NotImplementedError(delivery_ids)


class Drawer:
    """``DeliveryRecords`` whose overdue ones are given."""

    def __init__(self, untried: Collection[Opened] = (), tried: Sequence[str] = ()) -> None:
        self._untried = list(untried)
        self._tried = tried

    async def overdue(self, room: Callable[[str], int]) -> Overdue:
        first = self._untried[: room("whe_GOOD")]
        return Overdue(first, self._tried)


async def _take() -> Verdict:
    await asyncio.sleep(0.001)
    return SUCCEEDED


async def _hang() -> Verdict:
    await asyncio.Event().wait()
    return SUCCEEDED


def to(endpoint_id: str, count: int) -> list[Opened]:
    return [Opened(f"{endpoint_id}/{number}", endpoint_id) for number in range(count)]


@asynccontextmanager
async def lanes(desk: Desk, road: Road | None = None) -> AsyncIterator[Dispatch]:
    records: Any = Drawer()
    opened = Dispatch(records, desk, road or Road(), places=PLACES)
    try:
        yield opened
    finally:
        await opened.drain()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "ASK_AGAIN_S", 0.01)
    monkeypatch.setattr(dispatch, "DRAIN_S", 0.01)


async def test_a_hanging_endpoint_holds_its_own_lane_only() -> None:
    desk = Desk(behave={"whe_STUCK": _hang})
    async with lanes(desk) as dispatch_:
        for opened in [*to("whe_STUCK", 50), *to("whe_GOOD", 50)]:
            dispatch_.enter(opened)
        await until(lambda: len(desk.done) == 50)
    assert desk.busy["whe_STUCK"] == 0
    assert desk.most == {"whe_STUCK": PLACES, "whe_GOOD": PLACES}


async def test_who_finds_no_place_waits_in_the_lane_and_starts_no_workflow() -> None:
    desk, road = Desk(), Road()
    desk.places["whe_GOOD"] = 0
    async with lanes(desk, road) as dispatch_:
        for opened in to("whe_GOOD", 20):
            dispatch_.enter(opened)
        await asyncio.sleep(0.1)
        assert not desk.done
        assert desk.asked["whe_GOOD"] < PLACES + 15  # one asks for all of them
        desk.places["whe_GOOD"] = PLACES
        await until(lambda: len(desk.done) == 20)
    assert desk.most["whe_GOOD"] == PLACES  # and the lane is as wide as before
    assert not road.carried


async def test_a_failed_attempt_is_carried_on() -> None:
    async def fail() -> Verdict:
        return AGAIN

    desk, road = Desk(behave={"whe_GOOD": fail}), Road()
    async with lanes(desk, road) as dispatch_:
        dispatch_.enter(*to("whe_GOOD", 1))
        await until(lambda: bool(road.carried))
    assert road.carried == [("whe_GOOD/0", 5.0)]


async def test_what_is_not_tried_in_time_leaves_the_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "TRIED_WITHIN_S", 0.05)
    desk = Desk()
    desk.places["whe_GOOD"] = 0
    async with lanes(desk) as dispatch_:
        for opened in to("whe_GOOD", 20):
            dispatch_.enter(opened)
        assert dispatch_.room("whe_GOOD") == dispatch.PICKED_UP - 20
        await until(lambda: dispatch_.room("whe_GOOD") == dispatch.PICKED_UP)
        desk.places["whe_GOOD"] = PLACES
        await asyncio.sleep(0.05)
    assert not desk.done  # they are on record; this process has forgotten them


async def test_the_pick_up_fills_a_lane_as_far_as_it_has_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "PICKED_UP", 10)
    desk, road = Desk(), Road()
    records: Any = Drawer(to("whe_GOOD", 50), ["whe_GOOD/tried"])
    async with lanes(desk, road) as dispatch_:
        assert await PickUp(records, dispatch_, road).look() == 11
        await until(lambda: len(desk.done) == 10)
    assert road.carried == [("whe_GOOD/tried", 0)]


async def test_who_stops_takes_nothing_more() -> None:
    desk = Desk()
    async with lanes(desk) as dispatch_:
        dispatch_.enter(*to("whe_GOOD", 1))
        await until(lambda: len(desk.done) == 1)
    assert dispatch_.room("whe_GOOD") == 0
    dispatch_.enter(*to("whe_GOOD", 1))
    await asyncio.sleep(0.02)
    assert len(desk.done) == 1
