"""The guard: a name is resolved once, every address is judged, and the judged one is connected to.

Between the check and the connection nothing looks the name up again, so a name that changes its
mind (DNS rebinding) changes nothing. TLS still verifies the name.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import httpcore
import httpx

from payflow.domain.webhook_errors import WebhookUrlForbidden
from payflow.webhooks.addresses import Target, is_public, literal_address, target_of

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_ADDRESSES = 4  # tried one after the other, within the attempt's time
CHECK_WITHIN_S = 3.0  # at creation; a name that takes longer is judged when it is sent to
RESOLVERS_AT_ONCE = 32  # threads of our own: a nameserver that hangs holds up no one else's work


class AddressForbidden(httpcore.ConnectError):
    """A name led to an address we do not deliver to."""


class Guard:
    """Judges URLs when they are given to us, and addresses when we connect."""

    def __init__(self, *, allow_private: bool, resolve: Resolve | None = None) -> None:
        self._allow_private = allow_private
        self._threads = ThreadPoolExecutor(RESOLVERS_AT_ONCE, thread_name_prefix="resolve")
        self._resolve = resolve or self._ask_the_system

    def close(self) -> None:
        """Let the threads go; a name that is being looked up is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, url: str) -> Target:
        """The URL as we shall ask it; a name that does not resolve is taken.

        Raises:
            WebhookUrlInvalid, WebhookUrlForbidden.
        """
        target = self.target(url)
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                await self.addresses(target.host, target.port)
        except AddressForbidden:
            raise WebhookUrlForbidden from None
        except (OSError, TimeoutError):
            pass
        return target

    def target(self, url: str) -> Target:
        """The URL taken apart, without asking anybody.

        Raises:
            WebhookUrlInvalid, WebhookUrlForbidden.
        """
        return target_of(url, allow_private=self._allow_private)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses to connect to; if one of them is forbidden, none.

        Raises:
            AddressForbidden. OSError: the name does not resolve.
        """
        literal = literal_address(host)
        found = [str(literal)] if literal else await self._resolve(host, port)
        if not found:
            raise OSError("no address")
        if not self._allow_private and not all(is_public(ip_address(one)) for one in found):
            raise AddressForbidden
        return found[:MAX_ADDRESSES]

    async def _ask_the_system(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to judged addresses only."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers.

        Raises:
            httpcore.ConnectError, httpcore.ConnectTimeout.
        """
        try:
            addresses = await self._guard.addresses(host, port)
        except OSError:
            raise httpcore.ConnectError from None
        trouble: Exception = httpcore.ConnectError()
        for address in addresses:
            try:
                return _ClosingStream(
                    await self._network.connect_tcp(
                        address, port, timeout, local_address, socket_options
                    )
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble


class _ClosingStream(httpcore.AsyncNetworkStream):
    """A connection that is closed when its TLS handshake is given up.

    httpcore closes it after an error, and not when our time-out cancels it: a subscriber who
    accepts and then says nothing would hold a socket of ours for each attempt.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx over the guard: a connection of its own for each request, none kept.

    So the name is resolved and judged again for every attempt, and no subscriber's idle
    connection is held open.
    """

    def __init__(self, guard: Guard, *, max_connections: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=max_connections,
            max_keepalive_connections=0,
            network_backend=GuardedBackend(guard),
        )

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        at: TracebackType | None = None,
    ) -> None:
        await self._pool.__aexit__(kind, error, at)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; its errors are httpcore's."""
        response = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.content,
                extensions=request.extensions,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Stream(response))


class _Stream(httpx.AsyncByteStream):
    """The bytes of an answer, as httpcore reads them."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]
