"""One request to a subscriber: bounded in time and in bytes, whatever is at the other end."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpcore
import httpx

from payflow.domain.errors import Refused
from payflow.domain.http_answers import no_cookies, retry_after_s
from payflow.domain.ports import Clock
from payflow.domain.webhooks import Attempt
from payflow.webhooks.guard import Guard, GuardedTransport

READ_BYTES = 16 * 1024  # what we read of an answer
KEPT_BYTES = 1024  # what we keep of it
CONNECTIONS = 512  # more wait; each costs a socket and up to 100 kB of an answer's headers

USER_AGENT = "PayFlow-Webhooks/1"

# What an owner is told. Refused, unresolvable and forbidden sound alike: no map of our network.
CONNECTION_FAILED = "connection_failed"
TLS_FAILED = "tls_failed"
TIMED_OUT = "timeout"
NO_HTTP = "invalid_response"


class Sender:
    """Posts to subscribers. Redirects are not followed, nothing is decompressed."""

    def __init__(
        self, client: httpx.AsyncClient, guard: Guard, clock: Clock, timeout_s: float
    ) -> None:
        self._client = client
        self._guard = guard
        self._clock = clock
        self._timeout_s = timeout_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Post the body; whatever happens is an attempt, never an exception."""
        at, begun = self._clock.now(), time.monotonic()
        answer = _Answer()
        error = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ask(answer, url, headers, body)
        except (Exception, TimeoutError) as trouble:  # whatever a stranger's server makes of it
            error = _named(trouble)
        return Attempt(
            at=at,
            duration_ms=round((time.monotonic() - begun) * 1000),
            status_code=answer.status_code,
            error=error if answer.status_code is None else None,
            response=answer.kept,
            retry_after_s=retry_after_s(answer.headers.get("retry-after"), at),
        )

    async def _ask(
        self, answer: "_Answer", url: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        target = self._guard.target(url)
        sent = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
            "accept": "*/*",
            **headers,
        }
        async with self._client.stream("POST", target.url, headers=sent, content=body) as response:
            answer.status_code, answer.headers = response.status_code, response.headers
            async for part in response.aiter_raw():
                answer.add(part)
                if answer.is_full:
                    break


class _Answer:
    """What has arrived so far; a status that arrived counts, whatever becomes of the rest."""

    def __init__(self) -> None:
        self.status_code: int | None = None
        self.headers: Mapping[str, str] = {}
        self._kept = b""
        self._read = 0

    def add(self, part: bytes) -> None:
        self._read += len(part)
        self._kept += part[: KEPT_BYTES - len(self._kept)]

    @property
    def is_full(self) -> bool:
        return self._read >= READ_BYTES

    @property
    def kept(self) -> str | None:
        return None if self.status_code is None else self._kept.decode(errors="replace")


@asynccontextmanager
async def open_sender(guard: Guard, clock: Clock, timeout_s: float) -> AsyncIterator[Sender]:
    """A sender with its connections, closed on leaving."""
    transport = GuardedTransport(guard, max_connections=CONNECTIONS)
    async with httpx.AsyncClient(
        transport=transport,
        cookies=no_cookies(),
        trust_env=False,
        follow_redirects=False,
        timeout=timeout_s,
    ) as client:
        yield Sender(client, guard, clock, timeout_s)


def _named(trouble: BaseException) -> str:
    if isinstance(trouble, TimeoutError | httpcore.TimeoutException | httpx.TimeoutException):
        return TIMED_OUT
    if isinstance(trouble, httpcore.ConnectError | Refused):
        is_tls = isinstance(trouble.__context__ or trouble.__cause__, ssl.SSLError)
        return TLS_FAILED if is_tls else CONNECTION_FAILED
    if isinstance(trouble, httpcore.NetworkError | OSError):
        return CONNECTION_FAILED
    return NO_HTTP
