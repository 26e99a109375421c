"""The limit falls while every moment is late, holds through bursts, and comes back."""

import asyncio
import time

import httpx
from pydantic import SecretStr
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api.in_flight import InFlight, rest
from api.middleware import RequestContext
from api.pressure import FEWEST, TICK_S, AdaptiveLimit
from api.security_headers import SecurityHeaders
from payflow.settings import Environment, Settings

BEARABLE_S, LATE_S = 0.05, 0.06
WINDOW = 3  # ticks that are so late until the delay stands


def told(limit: AdaptiveLimit, delay_s: float, ticks: int, working: int = 100) -> int:
    for _ in range(ticks):
        limit.learn(delay_s, min(working, limit.now))
    return limit.now


def test_a_standing_delay_takes_places_away_down_to_a_few() -> None:
    limit = AdaptiveLimit(600, BEARABLE_S)

    assert told(limit, LATE_S, WINDOW - 1) == 600
    assert told(limit, LATE_S, 1) == 70
    assert told(limit, LATE_S, 20 * WINDOW) == FEWEST


def test_a_burst_that_drains_takes_none() -> None:
    limit = AdaptiveLimit(600, BEARABLE_S)
    for _ in range(20):
        told(limit, LATE_S, WINDOW - 1)
        assert told(limit, 0.001, 1) == 600


def test_one_long_pause_takes_none() -> None:
    limit = AdaptiveLimit(600, BEARABLE_S)

    assert told(limit, 10.0, 1) == 600
    assert told(limit, 0.001, 1) == 600


def test_it_is_back_within_five_seconds() -> None:
    limit = AdaptiveLimit(600, BEARABLE_S)
    told(limit, LATE_S, 50 * WINDOW)

    assert told(limit, 0.001, int(5 / TICK_S)) == 600


def test_a_simulated_server_at_four_times_its_load_stays_quick() -> None:
    """Each request costs 10 ms of the loop: 100 a second are served, 400 come."""
    for bearable_s, longest_s in ((BEARABLE_S, 0.6), (None, 3.0)):
        limit, queue, delays = AdaptiveLimit(600, bearable_s), 0.0, []
        for tick in range(int(60 / TICK_S)):
            queue = min(queue + 400 * TICK_S, max(queue, limit.now))  # those beyond are refused
            queue = max(0.0, queue - 100 * TICK_S)
            limit.learn(queue / 100, round(queue))
            if tick > 10 / TICK_S:
                delays.append(queue / 100)
        assert (max(delays) < longest_s) is (bearable_s is not None)


def test_nothing_is_found_where_nothing_is_looked_for() -> None:
    limit = AdaptiveLimit(600, None)

    assert told(limit, 10.0, 100) == 600


def test_production_looks_and_a_test_does_not() -> None:
    assert Settings(env=Environment.TEST).bearable_delay_s is None
    assert Settings(overload_delay_s=0.1).bearable_delay_s == 0.1
    assert Settings(overload_delay_s=0).bearable_delay_s is None
    assert _in_production(None).bearable_delay_s == 0.05
    assert _in_production(0).bearable_delay_s is None


def _in_production(overload_delay_s: float | None) -> Settings:
    keys = SecretStr('{"keys": [{}]}')
    return Settings(
        env=Environment.PRODUCTION,
        jwt_keys=keys,
        webhook_keys=keys,
        proof_keys=keys,
        overload_delay_s=overload_delay_s,
    )


async def test_an_overloaded_loop_refuses_some_serves_the_rest_and_recovers() -> None:
    async def work(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/work":
            for _ in range(4):
                time.sleep(0.01)  # noqa: ASYNC251  # what holds the loop up
                await asyncio.sleep(0)
        await PlainTextResponse("done")(scope, receive, send)

    app = InFlight(work, 600, bearable_s=0.02)
    transport = httpx.ASGITransport(RequestContext(app, SecurityHeaders(Settings())))
    async with httpx.AsyncClient(transport=transport, base_url="http://x.example.com") as client:

        async def ask(after_s: float) -> httpx.Response:
            await asyncio.sleep(after_s)
            return await client.get("/work")

        answers = await asyncio.gather(*(ask(n * 0.01) for n in range(80)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {200, 503}
        assert all(a.headers["retry-after"] for a in answers if a.status_code == 503)
        assert (app.under_way, app.working) == (0, 0)
        await asyncio.sleep(1)
        assert {(await client.get("/quick")).status_code for _ in range(20)} == {200}


async def test_who_waits_for_others_is_not_worked_on() -> None:
    over = asyncio.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        rest(scope)
        await over.wait()
        await PlainTextResponse("done")(scope, receive, send)

    app = InFlight(wait, 2)
    transport = httpx.ASGITransport(RequestContext(app, SecurityHeaders(Settings())))
    async with httpx.AsyncClient(transport=transport, base_url="http://x.example.com") as client:
        waiting = [asyncio.create_task(client.get("/")) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert (app.under_way, app.working) == (2, 0)
        assert (await client.get("/")).status_code == 503  # waiting costs memory all the same
        over.set()
        assert [(await one).status_code for one in waiting] == [200] * 2
    assert (app.under_way, app.working) == (0, 0)
