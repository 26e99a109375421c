"""The demo's subscriber: receives a webhook and verifies it with the stock package."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from cli.errors import CliError
from cli.ports import LOOPBACK

ARRIVES_WITHIN_S = 30.0
_HEAD_ENDS = b"\r\n\r\n"
_TAKEN = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Subscriber:
    """A small HTTP server that takes every event and remembers it."""

    def __init__(self) -> None:
        self.url = ""
        self._arrived: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def event_of(self, transfer_id: str, secret: str) -> Mapping[str, Any]:
        """The first event of the transfer, verified by ``standardwebhooks`` like any other.

        Others may come before it: what happened in the minute before an endpoint was made.

        Raises:
            CliError: none arrives, or one does not verify.
        """
        while True:
            event = await self._next_event(secret)
            if event["data"]["id"] == transfer_id:
                return event

    async def _next_event(self, secret: str) -> Mapping[str, Any]:
        # of the development extra, like the demo's servers
        from standardwebhooks import Webhook, WebhookVerificationError  # noqa: PLC0415

        try:
            async with asyncio.timeout(ARRIVES_WITHIN_S):
                headers, body = await self._arrived.get()
            event: Mapping[str, Any] = Webhook(secret).verify(body, headers)
        except TimeoutError:
            raise CliError("No webhook has arrived.") from None
        except (WebhookVerificationError, ValueError) as error:
            raise CliError(f"The webhook does not verify: {error}.") from None
        return event

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(_HEAD_ENDS)).decode("latin-1")
            fields = (line.partition(":") for line in head.split("\r\n")[1:] if line)
            headers = {name.lower(): value.strip() for name, _, value in fields}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self._arrived.put_nowait((headers, body))
            writer.write(_TAKEN)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def open_subscriber() -> AsyncIterator[Subscriber]:
    """A subscriber on a free port of this machine."""
    subscriber = Subscriber()
    server = await asyncio.start_server(subscriber.serve, LOOPBACK, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        subscriber.url = f"http://{LOOPBACK}:{port}/hook"
        yield subscriber
