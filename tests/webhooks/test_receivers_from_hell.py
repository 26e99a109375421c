"""Whatever is at the other end: one attempt, recorded, bounded in time and in memory."""

import asyncio
import gzip
import socket
import ssl
import struct
import time
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from payflow.domain.webhooks import Attempt, wait_before_next
from payflow.storage.identity import SystemClock
from payflow.webhooks.guard import Guard
from payflow.webhooks.sending import (
    CONNECTION_FAILED,
    KEPT_BYTES,
    NO_HTTP,
    READ_BYTES,
    TIMED_OUT,
    TLS_FAILED,
    Sender,
    open_sender,
)
from tests.webhooks.receivers import Behave, Receiver, answering, receiver, status

TIMEOUT_S = 0.8
AT_MOST_S = 5.0  # far above the time-out and far below what the receivers would like
MEMORY = 4 * 1024 * 1024


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    guard = Guard(allow_private=True)
    async with open_sender(guard, SystemClock(), TIMEOUT_S) as opened:
        yield opened
    guard.close()


async def sent(sender: Sender, url: str) -> Attempt:
    """One attempt, which must come to an end in time and with little memory."""
    tracemalloc.start()
    begun = time.monotonic()
    try:
        attempt = await asyncio.wait_for(sender.post(url, {}, b"{}"), AT_MOST_S)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert attempt.duration_ms <= (time.monotonic() - begun) * 1000 + 1
    assert len(attempt.response or "") <= KEPT_BYTES
    return attempt


def endless(chunk: bytes, first: bytes = b"", pause_s: float = 0) -> Behave:
    """``first``, then ``chunk`` for as long as anybody listens."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return behave


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(64 * 1024 * 1024))

SILENT = [
    pytest.param(hang, TIMED_OUT, id="hangs"),
    pytest.param(endless(b"H", pause_s=0.1), TIMED_OUT, id="one byte of the head at a time"),
    pytest.param(
        endless(b"X-A: b\r\n" * 512, b"HTTP/1.1 200 OK\r\n"), NO_HTTP, id="endless headers"
    ),
    pytest.param(
        endless(b"a" * 4_096, b"HTTP/1.1 200 OK\r\nX-A: "), NO_HTTP, id="one endless header"
    ),
    pytest.param(
        endless(b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.01), TIMED_OUT, id="endless 100s"
    ),
    pytest.param(endless(b"\x00\xff" * 512), NO_HTTP, id="noise"),
    pytest.param(answering(b"SSH-2.0-OpenSSH_9.6\r\n"), NO_HTTP, id="no HTTP"),
    pytest.param(answering(b""), NO_HTTP, id="closes without a word"),
    pytest.param(reset, CONNECTION_FAILED, id="resets"),
]

ANSWERING = [
    pytest.param(endless(b"x" * 65_536, HEAD), 200, id="one GiB"),
    pytest.param(endless(b"10000\r\n" + b"x" * 65_536 + b"\r\n", CHUNKED), 200, id="chunks"),
    pytest.param(endless(b"x", HEAD, pause_s=0.05), 200, id="one byte of the body at a time"),
    pytest.param(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), 200, id="headers only"
    ),
    pytest.param(answering(status(200, "Content-Encoding: gzip", body=BOMB)), 200, id="gzip bomb"),
    pytest.param(answering(status(500, body=b"\x00\xff" * 50_000)), 500, id="binary"),
    pytest.param(answering(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, id="204"),
    pytest.param(answering(status(404)), 404, id="404"),
]


@pytest.mark.parametrize(("behave", "error"), SILENT)
async def test_who_does_not_answer_has_failed(sender: Sender, behave: Behave, error: str) -> None:
    async with receiver(behave) as one:
        attempt = await sent(sender, one.url)
    assert (attempt.status_code, attempt.error) == (None, error)
    assert not attempt.succeeded


@pytest.mark.parametrize(("behave", "code"), ANSWERING)
async def test_a_status_counts_and_the_rest_is_cut(
    sender: Sender, behave: Behave, code: int
) -> None:
    async with receiver(behave) as one:
        attempt = await sent(sender, one.url)
    assert (attempt.status_code, attempt.error) == (code, None)
    assert attempt.succeeded is (code < 300)


async def test_no_more_is_read_than_the_limit(sender: Sender) -> None:
    written = 0

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(HEAD)
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            written += 65_536

    async with receiver(pour) as one:
        await sent(sender, one.url)
        await asyncio.sleep(0.1)
    assert written < 32 * 1024 * 1024  # what fits the kernel's buffers, not what was offered
    assert READ_BYTES < 65_536


async def test_a_redirect_is_an_answer_and_is_not_followed(sender: Sender) -> None:
    async with receiver() as inside:
        for code in (301, 302, 303, 307, 308):
            async with receiver(answering(status(code, f"Location: {inside.url}"))) as one:
                attempt = await sent(sender, one.url)
            assert attempt.status_code == code
            assert not attempt.succeeded
    assert inside.connections == 0


async def test_nobody_listens(sender: Sender) -> None:
    async with receiver() as one:
        url = one.url
    attempt = await sent(sender, url)
    assert attempt.error == CONNECTION_FAILED


async def test_a_listener_that_never_accepts(sender: Sender) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = []
        for _ in range(4):  # the backlog is full: further connections wait for ever
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
            fillers.append(filler)
        attempt = await sent(sender, f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        for filler in fillers:
            filler.close()
    assert attempt.error == TIMED_OUT


async def test_bad_tls(sender: Sender, self_signed: ssl.SSLContext) -> None:
    async with receiver(tls=self_signed) as one:
        attempt = await sent(sender, one.url.replace("http:", "https:"))
    assert attempt.error == TLS_FAILED
    async with receiver(hang) as plain:
        attempt = await sent(sender, plain.url.replace("http:", "https:"))
    assert attempt.error == TIMED_OUT
    assert not one.requests


async def test_many_that_hang_do_not_hold_up_one_that_answers(sender: Sender) -> None:
    async with receiver(hang) as slow, receiver() as quick:
        hanging = [asyncio.create_task(sender.post(slow.url, {}, b"{}")) for _ in range(50)]
        await _connected(slow, 50)
        assert (await sender.post(quick.url, {}, b"{}")).status_code == 200
        assert {one.error for one in await asyncio.gather(*hanging)} == {TIMED_OUT}


async def _connected(one: Receiver, count: int) -> None:
    async with asyncio.timeout(AT_MOST_S):
        while one.connections < count:
            await asyncio.sleep(0.01)


ODD_RETRY_AFTER = [
    "Mon, 01 Jan 2024 99999999999999999999:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
    "Mon, 99999999999999999999 Jan 2024 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:60 -2359",
    "9" * 5_000,
    "٣",
    ",",
]


@pytest.mark.parametrize("value", ODD_RETRY_AFTER, ids=lambda one: one[:40])
@pytest.mark.parametrize("code", [200, 410, 429, 503])
async def test_a_status_counts_whatever_retry_after_says(
    sender: Sender, value: str, code: int
) -> None:
    async with receiver(answering(status(code, f"Retry-After: {value}"))) as one:
        attempt = await sent(sender, one.url)
    assert (attempt.status_code, attempt.error) == (code, None)
    assert wait_before_next(1, 0.5, attempt.retry_after_s) is not None


@pytest.mark.parametrize("cookie", ["a=b; Path=/", "a=\xff\xfe; Path=/"], ids=ascii)
async def test_a_cookie_of_one_subscriber_goes_to_no_other(sender: Sender, cookie: str) -> None:
    async with (
        receiver(answering(status(200, f"Set-Cookie: {cookie}"))) as one,
        receiver() as another,
    ):
        assert (await sent(sender, one.url)).status_code == 200
        assert (await sent(sender, another.url)).status_code == 200
    assert "cookie" not in another.requests[0].headers


async def test_429_with_a_date(sender: Sender) -> None:
    at = datetime.fromtimestamp(time.time(), UTC) + timedelta(hours=1)
    later = f"Retry-After: {format_datetime(at, usegmt=True)}"
    async with receiver(answering(status(429, later))) as one:
        attempt = await sent(sender, one.url)
    assert attempt.status_code == 429
    assert attempt.retry_after_s is not None
    assert 3_590 < attempt.retry_after_s <= 3_600
