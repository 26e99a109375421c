"""What a request may weigh: each bound just met passes, just exceeded is refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api import bounds
from api.bounds import MAX_DEPTH, BodyLimit, HeadLimit, depth_exceeds
from api.in_flight import InFlight
from api.middleware import RequestContext
from api.security_headers import SecurityHeaders
from payflow.settings import Settings
from tests.unit.test_problems import assert_problem


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(RequestContext(app, SecurityHeaders(Settings())))
    return httpx.AsyncClient(transport=transport, base_url="http://api.example.com")


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


class Slow:
    """Answers when it is told to."""

    def __init__(self, begin_stream: bool = False) -> None:
        self.go_on = asyncio.Event()
        self.begin_stream = begin_stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/stream":
            await StreamingResponse(self.beats(), media_type="text/event-stream")(
                scope, receive, send
            )
        elif scope["path"] == "/bug":
            raise RuntimeError("a bug")
        elif not scope["path"].startswith("/health"):
            await self.go_on.wait()
        await hello(scope, receive, send)

    async def beats(self) -> AsyncIterator[str]:
        yield ": beat\n\n"
        await self.go_on.wait()


async def test_beyond_the_bound_is_refused_at_once_and_probes_pass() -> None:
    slow = Slow()
    async with client_of(InFlight(slow, at_most=3)) as client:
        waiting = [asyncio.create_task(client.get("/")) for _ in range(3)]
        await asyncio.sleep(0.01)
        async with asyncio.timeout(1):
            refused = await client.get("/")
        assert_problem(refused, 503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get("/health/live")).status_code == 200
        slow.go_on.set()
        assert [(await one).status_code for one in waiting] == [200] * 3
        assert (await client.get("/")).status_code == 200


async def test_what_failed_or_left_holds_no_place() -> None:
    slow = Slow()
    async with client_of(InFlight(slow, at_most=1)) as client:
        for _ in range(3):
            assert (await client.get("/bug")).status_code == 500
        leaving = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        slow.go_on.set()
        assert (await client.get("/")).status_code == 200


async def test_a_stream_that_has_begun_holds_no_place() -> None:
    slow = Slow()
    in_flight = InFlight(slow, at_most=1)
    messages: list[object] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        messages.append(message)

    scope = {"type": "http", "path": "/stream", "headers": [], "method": "GET"}
    streaming = asyncio.create_task(in_flight(scope, receive, send))
    while len(messages) < 2:
        await asyncio.sleep(0)
    slow.go_on.set()
    async with client_of(in_flight) as client:
        assert (await client.get("/")).status_code == 200
    streaming.cancel()
    await asyncio.gather(streaming, return_exceptions=True)


@pytest.mark.parametrize(
    ("headers", "path", "code"),
    [
        ({"x-long": "x" * bounds.MAX_HEAD_BYTES}, "/", "headers_too_large"),
        ({f"x-{n}": "x" for n in range(bounds.MAX_HEADERS)}, "/", "headers_too_large"),
        ({}, "/?" + "q" * bounds.MAX_TARGET_BYTES, "target_too_long"),
        ({"x-long": "x" * (bounds.MAX_HEAD_BYTES - 500)}, "/", None),
        ({f"x-{n}": "x" for n in range(bounds.MAX_HEADERS - 10)}, "/", None),
        ({}, "/?" + "q" * (bounds.MAX_TARGET_BYTES - 10), None),
    ],
)
async def test_a_head_has_bounds(headers: dict[str, str], path: str, code: str | None) -> None:
    async with client_of(HeadLimit(hello)) as client:
        answer = await client.get(path, headers=headers)
    if code is None:
        assert answer.text == "hello"
    else:
        assert answer.json()["code"] == code
        assert answer.status_code == (414 if code == "target_too_long" else 431)


@pytest.mark.parametrize(
    ("body", "exceeds"),
    [
        (nested(MAX_DEPTH), False),
        (nested(MAX_DEPTH + 1), True),
        (b'{"a":' * (MAX_DEPTH + 1), True),
        (json.dumps({"text": "[{" * 100}).encode(), False),
        (json.dumps({"text": '\\"' + "[" * 100}).encode(), False),
        (json.dumps([[1]] * 100).encode(), False),
        (b'"\\' + b"[" * 100, False),
    ],
)
def test_depth_is_of_brackets_outside_strings(body: bytes, exceeds: bool) -> None:
    assert depth_exceeds(body, MAX_DEPTH) is exceeds


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await JSONResponse(len(message["body"]))(scope, receive, send)


async def test_a_body_is_read_whole_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BODY_WITHIN_S", 0.1)

    def chunks(*pauses: float) -> Callable[[], AsyncIterator[bytes]]:
        async def sent() -> AsyncIterator[bytes]:
            for pause in pauses:
                await asyncio.sleep(pause)
                yield b" " * 10

        return sent

    async with client_of(BodyLimit(echo_length, max_bytes=100)) as client:
        assert (await client.post("/", content=chunks(0, 0, 0)())).json() == 30
        assert (await client.post("/", content=nested(MAX_DEPTH))).json() == 2 * MAX_DEPTH
        deep = await client.post("/", content=nested(MAX_DEPTH + 1))
        assert_problem(deep, 400, "malformed_json")
        assert "deeper than 32" in deep.json()["detail"]
        slow = await client.post("/", content=chunks(0, 0.3)())
        assert_problem(slow, 408, "request_timeout")


async def read_itself(scope: Scope, receive: Receive, send: Send) -> None:
    read = 0
    try:
        while (message := await receive()).get("more_body"):
            await asyncio.sleep(0.05)  # its own time, not the client's
            read += len(message["body"])
    except HTTPException as refused:
        await PlainTextResponse(str(read), refused.status_code)(scope, receive, send)
    else:
        await PlainTextResponse("whole")(scope, receive, send)


@pytest.mark.parametrize(
    ("pieces", "pause_s", "status"),
    [(30, 0.0, 200), (2, 0.5, 408), (200, 0.02, 408), (8, 0.06, 200)],
    ids=["busy itself", "stalled", "dripping", "slow, and fast enough"],
)
async def test_a_call_that_reads_for_itself_has_a_least_rate(
    monkeypatch: pytest.MonkeyPatch, pieces: int, pause_s: float, status: int
) -> None:
    monkeypatch.setattr(bounds, "BODY_WITHIN_S", 0.3)
    monkeypatch.setattr(bounds, "LEAST_BYTES_PER_S", 200)

    async def sent() -> AsyncIterator[bytes]:
        for _ in range(pieces):
            await asyncio.sleep(pause_s)
            yield b" " * (10 if pieces < 200 else 1)

    app = BodyLimit(read_itself, max_bytes=10, by_path={"/large": 1_000})
    async with client_of(app) as client:
        answer = await client.post("/large", content=sent())
    assert answer.status_code == status, answer.text
