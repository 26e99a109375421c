"""``payflow listen``: a stream taken apart, and each event posted as a webhook would be."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.event_stream import event_text, start_text
from cli.errors import CliError
from cli.event_stream import Frame, frames_of, lines_of
from cli.listen import Listener, forward, listen
from payflow.webhooks.signing import new_secret
from tests.webhooks.events import event
from tests.webhooks.post import only, verified
from tests.webhooks.receivers import Receiver, answering, receiver, status

STREAM = """\ufeffid: 6
retry: 1000
: connected

: heartbeat

id: 7
event: transfer.completed
data: {"a":
data: 1}

event: stream.ended
data: {}

id:8
data:{"text": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"}

id: nul\0
data

id: 9
data: cut off"""
FRAMES = [
    Frame("6"),
    Frame("7", "transfer.completed", '{"a":\n1}'),
    Frame(None, "stream.ended", "{}"),
    Frame("8", None, '{"text": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"}'),
    Frame(None, None, ""),
]


async def chunks_of(wire: bytes, sizes: Sequence[int]) -> AsyncIterator[bytes]:
    at = 0
    for size in sizes:
        yield wire[at : at + size]
        at += size
    yield wire[at:]


async def read(wire: bytes, sizes: Sequence[int]) -> list[Frame]:
    return [frame async for frame in frames_of(chunks_of(wire, sizes))]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=repr)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 1_000])
async def test_a_stream_is_its_frames_however_it_arrives(end: bytes, size: int) -> None:
    wire = STREAM.encode().replace(b"\n", end)
    assert await read(wire, [size] * (len(wire) // (size or 1))) == FRAMES


@given(
    st.lists(st.sampled_from(["a", "é", "\u2028", "\x85", "\r", "\n", "\r\n"])).map("".join),
    st.lists(st.integers(0, 4), max_size=20),
)
def test_lines_end_at_cr_lf_and_crlf_only(text: str, sizes: list[int]) -> None:
    async def lines() -> list[str]:
        return [line async for line in lines_of(chunks_of(text.encode(), sizes))]

    whole = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert asyncio.run(lines()) == whole[:-1]


async def test_an_event_is_forwarded_as_a_webhook() -> None:
    happened, secret = event(["usr_1"]), new_secret()
    streamed = json.dumps({**happened.body, "position": 7})
    async with receiver() as program, httpx.AsyncClient(trust_env=False) as client:
        said = await forward(client, program.url, streamed, secret)
    assert verified(only(program), secret) == happened.body
    assert said.endswith("200")
    assert happened.id in said


async def test_a_program_that_is_not_there_is_said_and_no_more() -> None:
    async with receiver() as program:
        url = program.url
    async with httpx.AsyncClient(trust_env=False) as client:
        said = await forward(client, url, json.dumps(dict(event(["usr_1"]).body)), new_secret())
    assert said.endswith("ConnectError")


@pytest.mark.parametrize("data", ["", "{", "[]", "{}", "7", "NaN", '{"id": 1, "id": 2}', "\ud800"])
async def test_what_is_no_event_is_passed_over(data: str) -> None:
    async with receiver() as program, httpx.AsyncClient(trust_env=False) as client:
        said = await forward(client, program.url, data, new_secret())
    assert "is no event" in said
    assert not program.requests


TOKENS = json.dumps(
    {"access_token": "a", "refresh_token": "b", "token_type": "Bearer", "expires_in": 900}
).encode()


async def listened(
    streams: Sequence[bytes], program: Receiver, login: bytes = status(200, body=TOKENS)
) -> Receiver:
    """An API that serves these streams one after the other, once all have been asked for."""
    done = asyncio.Event()
    waiting = iter(streams)

    async def api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "content-length" in server.requests[-1].headers:
            await answering(login)(reader, writer)
            return
        stream = next(waiting, None)
        if stream is None:
            done.set()
            await reader.read()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + stream)
        await writer.drain()

    async with receiver(api) as server:
        url = server.url.removesuffix("/hook")
        listener = Listener(url, program.url, (), "alice@example.com", "password")
        listening = asyncio.create_task(listen(listener))
        asked = asyncio.create_task(done.wait())
        async with asyncio.timeout(20):
            await asyncio.wait({listening, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    return server


async def test_a_line_separator_in_a_description_ends_nothing() -> None:
    body = {**event(["usr_1"]).body, "position": 7}
    body["data"] = {**body["data"], "description": "one\u2028two\u2029three\x85four"}
    async with receiver() as program:
        await listened([start_text(6) + event_text(body)], program)
    assert json.loads(only(program).body)["data"] == body["data"]


async def test_a_quiet_stream_that_ends_is_resumed_where_it_began() -> None:
    happened = {**event(["usr_1"]).body, "position": 9}
    ended = b'event: stream.ended\ndata: {"code": "too_slow"}\n\n'
    async with receiver() as program:
        server = await listened(
            [start_text(8) + ended, start_text(8) + event_text(happened), b""], program
        )
    streams = [one for one in server.requests if "content-length" not in one.headers]
    assert [one.headers.get("last-event-id") for one in streams] == [None, "8", "9", "9"]
    assert only(program).headers["webhook-id"] == happened["id"]


@pytest.mark.parametrize(
    "login",
    [
        status(502, body=b"<h1>Bad gateway</h1>"),
        status(200, body=b"<h1>Sign in to the network</h1>"),
        status(200, body=b'{"access_token": 7}'),
        b"",
    ],
)
async def test_an_answer_that_cannot_be_understood_is_asked_again(login: bytes) -> None:
    asked = 0

    async def api(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await answering(login)(reader, writer)

    async with receiver(api) as server, receiver() as program:
        url = server.url.removesuffix("/hook")
        listener = Listener(url, program.url, (), "alice@example.com", "password")
        listening = asyncio.create_task(listen(listener))
        async with asyncio.timeout(20):
            while asked < 2 and not listening.done():
                await asyncio.sleep(0.05)
        assert not listening.done()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def test_a_refused_sign_in_ends_it_with_its_reason() -> None:
    refused = status(401, body=b'{"code": "invalid_credentials", "detail": "Wrong password."}')
    async with receiver() as program:
        with pytest.raises(CliError, match=r"does not let alice@example.com in: 401 .*Wrong pass"):
            await listened([], program, refused)
        with pytest.raises(CliError, match=r"does not let alice@example.com in: 403 unknown"):
            await listened([], program, status(403, body=b"<h1>No</h1>"))


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "http://[", "ftp://a", "", "http://"])
async def test_an_address_that_is_none_is_said_at_once(url: str) -> None:
    right = "http://127.0.0.1:9"
    for api_url, target in ((url, right), (right, url)):
        with pytest.raises(CliError, match=r"^--(api-url|forward-to): "):
            async with asyncio.timeout(5):
                await listen(Listener(api_url, target, (), "alice@example.com", "password"))
