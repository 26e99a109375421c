"""A connection that exceeds a limit is closed, and others are served meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from api import protocol
from api.middleware import RequestContext
from api.protocol import BoundedConnection, Connections
from api.security_headers import SecurityHeaders
from payflow.settings import Settings

GOOD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
SECURITY = SecurityHeaders(Settings())


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was sent; ``/unread`` at once, ``/large`` with a large answer."""
    body = b"" if scope["path"] == "/unread" else await Request(scope, receive).body()
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    filler = "x" * 1_000_000 if scope["path"] == "/large" else ""
    answer = JSONResponse({"body": len(body), "headers": fields, "filler": filler})
    await answer(scope, receive, send)


@dataclass
class Served:
    """A server, and what its connections share."""

    port: int
    connections: Connections = field(default_factory=lambda: Connections(SECURITY))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, *parts: bytes) -> bytes:
        """The answers to what is sent, until the server closes or is silent."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.05)
        answer = b""
        try:
            async with asyncio.timeout(1):
                while part := await reader.read(65_536):
                    answer += part
        except (TimeoutError, ConnectionError):
            pass
        writer.close()
        return answer


@asynccontextmanager
async def serving(connections: Connections) -> AsyncIterator[Served]:
    config = uvicorn.Config(
        RequestContext(echo, SECURITY),
        port=0,
        http=partial(BoundedConnection, connections=connections),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
    )
    config.load()
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())  # what takes the signals stays with pytest
    while not server.started:
        await asyncio.sleep(0.01)
    yield Served(server.servers[0].sockets[0].getsockname()[1], connections)
    server.should_exit = True
    await running


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.3)
    monkeypatch.setattr(protocol, "DROPPED_WITHIN_S", 0.3)
    monkeypatch.setattr(protocol, "MAX_DROPPED_BYTES", 262_144)
    monkeypatch.setattr(protocol, "WRITTEN_WITHIN_S", 0.3)
    async with serving(Connections(SECURITY)) as one:
        yield one


async def closes(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes."""
    async with asyncio.timeout(3):
        return await reader.read()


async def test_a_slow_head_is_hung_up_on_and_a_slow_body_is_not(served: Served) -> None:
    slow_reader, slow = await served.connect()
    reader, writer = await served.connect()
    silent_reader, silent = await served.connect()
    slow.write(GOOD[:20])
    writer.write(GOOD)
    assert await closes(slow_reader) == b""
    assert await closes(silent_reader) == b""
    writer.write(b"{}")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.write(GOOD[:20])  # the next head on the same line has a time of its own
    assert (await closes(reader)).endswith(b"}")
    for one in (slow, writer, silent):
        one.close()


@pytest.mark.parametrize("before", [b"", GOOD + b"{}"], ids=["at once", "after a request"])
async def test_empty_lines_do_not_keep_a_connection_open(served: Served, before: bytes) -> None:
    reader, writer = await served.connect()
    writer.write(before)
    await asyncio.sleep(0.1)
    writer.write(b"\r\n")
    assert (await closes(reader)).startswith(b"HTTP/1.1 200" if before else b"")
    writer.close()


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nx: ", b"GET /"])
async def test_an_endless_head_is_hung_up_on(served: Served, head: bytes) -> None:
    assert await sent_until_closed(served, head) >= protocol.MAX_UNREAD_HEAD_BYTES


async def sent_until_closed(
    served: Served, head: bytes, piece: bytes = b"a" * 8_192, most: int = 2_000_000
) -> int:
    """How many bytes after the head the server takes before it closes."""
    _, writer = await served.connect()
    writer.write(head)
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < most:
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
            await asyncio.sleep(0.001)
    writer.close()
    return sent


@pytest.mark.parametrize(
    ("after", "piece"),
    [
        (b"0\r\n", b"x-trailer: " + b"a" * 8_000 + b"\r\n"),
        (b"0\r\nx-trailer: ", b"a" * 8_192),
        (b"", b"1;e=" + b"e" * 4_000 + b"\r\na\r\n"),
        (b"1;", b"e" * 8_192),
        (b"", b"0" * 8_192),
        (b"", b"1\r\na\r\n" * 1_000),
    ],
    ids=["trailers", "a trailer", "extensions", "an extension", "a chunk size", "tiny chunks"],
)
async def test_what_is_no_data_of_a_chunked_body_is_limited(
    served: Served, after: bytes, piece: bytes
) -> None:
    assert await sent_until_closed(served, CHUNKED + after, piece) < 1_000_000


async def test_chunks_that_carry_data_pass_whatever_their_number(served: Served) -> None:
    chunks = b"32\r\n" + b"a" * 50 + b"\r\n"
    answer = await served.ask(CHUNKED, *[chunks * 500] * 8, b"0\r\n\r\n")
    assert b'"body":200000' in answer


@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_field_after_the_body_is_no_header(served: Served, pieces: int) -> None:
    trailer = b"authorization: Bearer x\r\nx-small: 1\r\n"
    sent = [CHUNKED, b"2\r\n{}\r\n0\r\n" + trailer + b"\r\n" + GOOD + b"{}"]
    answer = await served.ask(*([b"".join(sent)] if pieces == 1 else sent))
    assert answer.count(b'"body":2') == 2  # both are answered, on one connection
    assert b"Bearer" not in answer and b"x-small" not in answer


@pytest.mark.parametrize(
    "request_of",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nhost : a\r\ncontent-length: 2\r\n\r\n{}",
        CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"2\n{}\r\n0\r\n\r\n",
    ],
    ids=[
        "no HTTP",
        "length, then chunked",
        "chunked, then length",
        "two lengths",
        "two equal lengths",
        "a signed length",
        "an unknown coding",
        "a folded field",
        "a space before the colon",
        "a chunk size that is no number",
        "a chunk size beyond 64 bits",
        "a bare line feed",
    ],
)
async def test_what_cannot_be_parsed_is_refused_as_everything_else(
    served: Served, request_of: bytes
) -> None:
    answer = await served.ask(request_of, GOOD + b"{}")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    for line in (
        b"content-type: application/problem+json",
        b"x-content-type-options: nosniff",
        b"cache-control: no-store",
        b"connection: close",
        b"x-request-id: req_",
        b"content-length: %d" % len(body),
    ):
        assert line in head, answer
    assert b'"code":"malformed_request"' in body


async def test_the_requests_before_a_malformed_one_are_answered(served: Served) -> None:
    answer = await served.ask(GOOD + b"{}" + GOOD + b"{}" + b"nonsense\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 2


async def test_a_body_that_is_not_read_is_dropped_and_the_connection_goes_on(
    served: Served,
) -> None:
    head = GOOD.replace(b"POST /", b"POST /unread").replace(b": 2", b": 100000")
    answer = await served.ask(head, b"a" * 50_000, b"a" * 50_000, GOOD + b"{}")
    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    ("length", "sent"),
    [(b"1000000000", b"a" * 600_000), (b"1000", b"a")],
    ids=["too much", "too slow"],
)
async def test_a_body_that_is_not_read_ends_soon(
    served: Served, length: bytes, sent: bytes
) -> None:
    reader, writer = await served.connect()
    writer.write(GOOD.replace(b"POST /", b"POST /unread").replace(b": 2", b": " + length))
    await reader.readuntil(b"}")
    writer.write(sent)
    with suppress(ConnectionError):  # there was more to read when it closed
        assert b"HTTP/1.1" not in await closes(reader)
    writer.close()


async def test_a_client_that_expects_100_gets_it_or_a_connection_that_closes(
    served: Served,
) -> None:
    head = GOOD.replace(b"host: a", b"host: a\r\nexpect: 100-continue")
    answer = await served.ask(head, b"{}")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    unread = await served.ask(head.replace(b"POST /", b"POST /unread"), GOOD + b"{}")
    assert unread.count(b"HTTP/1.1") == 1 and b"connection: close" in unread


async def test_pipelined_requests_are_answered_up_to_a_number(served: Served) -> None:
    few = await served.ask((GOOD + b"{}") * 10)
    assert few.count(b"HTTP/1.1 200") == 10
    many = await served.ask((GOOD + b"{}") * 2_000)
    assert 10 < many.count(b"HTTP/1.1 200") < 10 * protocol.MAX_PIPELINED


async def test_a_client_that_does_not_read_is_hung_up_on(served: Served) -> None:
    head = GOOD.replace(b"POST /", b"POST /large") + b"{}"
    _, writer = await served.connect()
    with pytest.raises(ConnectionError):
        for _ in range(400):
            writer.write(head)
            await writer.drain()
            await asyncio.sleep(0.01)
    writer.close()
    async with asyncio.timeout(3):
        while served.connections.of_address:
            await asyncio.sleep(0.05)


async def test_one_address_has_a_part_of_the_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = Connections(SECURITY, at_most=2)
    async with serving(shared) as served:  # the loopback stands for many clients
        assert [await served.ask(GOOD + b"{}") != b"" for _ in range(3)] == [True] * 3
        monkeypatch.setattr(protocol, "_LOOPBACK", ())
        others = [await served.connect() for _ in range(2)]
        assert await served.ask(GOOD + b"{}") == b""
        assert shared.count("198.51.100.8")
        others[0][1].close()
        await asyncio.sleep(0.1)
        assert b"HTTP/1.1 200" in await served.ask(GOOD + b"{}")
        others[1][1].close()
