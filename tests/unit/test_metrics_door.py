"""The small door of a process without an API: one page, and no way to hold it up."""

import asyncio
import socket
from contextlib import suppress

import httpx
import pytest

from cli.ports import LOOPBACK
from payflow.observability.metrics_door import CONTENT_TYPE, metrics_door


async def page() -> bytes:
    return b"payflow_up 1\n"


async def test_the_page_is_there_and_nothing_else() -> None:
    async with (
        metrics_door(LOOPBACK, 0, page) as port,
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as client,
    ):
        answer = await client.get("/metrics")
        assert (answer.status_code, answer.content) == (200, b"payflow_up 1\n")
        assert answer.headers["content-type"] == CONTENT_TYPE
        assert (await client.get("/metrics?x=1")).status_code == 200
        assert (await client.post("/metrics")).status_code == 405
        assert (await client.get("/")).status_code == 404


async def test_who_says_too_much_is_hung_up_on() -> None:
    async with metrics_door(LOOPBACK, 0, page) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_a_taken_port_does_not_stop_the_process() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        async with metrics_door(LOOPBACK, taken.getsockname()[1], page) as port:
            assert port is None


@pytest.mark.parametrize("head", [b"\r\n\r\n", b"GET\r\n\r\n", b"\x00\xff\r\n\r\n"])
async def test_nonsense_is_answered_as_such(head: bytes) -> None:
    async with metrics_door(LOOPBACK, 0, page) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(head)
        assert (await reader.read()).startswith(b"HTTP/1.1 404")
        writer.close()
