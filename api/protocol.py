"""HTTP/1.1 connections with a limit in bytes and seconds on every part of a request and an answer.

The server's own protocol waits without end for heads, bodies and readers, keeps what comes after
a body, and answers a head that it cannot parse in plain text. The limits on what a request means
(size of head and body) are the application's (``api.bounds``); these here hold below it.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from ipaddress import ip_address, ip_network
from typing import Any

from loguru import logger
from ulid import ULID
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.client_address import Network
from api.problems import REQUEST_ID, problem
from api.security_headers import SecurityHeaders

MAX_UNREAD_HEAD_BYTES = 65_536  # beyond what ``bounds`` answers with a 431: the connection closes
HEAD_WITHIN_S = 10.0
# Bytes of a body that are no data: sizes and extensions of chunks, and the fields after the last
# one (trailers), beyond as much as the data itself. Honest chunks of 5 bytes or more need none.
MAX_FRAMING_BYTES = 16_384
# What is still to come of a body when its request is answered: read and dropped, which costs no
# memory. A client that is still sending when its connection is reset may never see the answer,
# so this is more than the largest body that a client with an account may send.
MAX_DROPPED_BYTES = 16 * 1024 * 1024
DROPPED_WITHIN_S = 5.0
# Requests sent before the ones ahead are answered (pipelining); each costs some 5 kB at once.
MAX_PIPELINED = 16
# A client reads 48 kB of an answer in this time (2.4 kB/s), or is taken for dead.
WRITTEN_WITHIN_S = 20.0
MAX_CONNECTIONS_OF_ONE_ADDRESS = 4_096  # 60 MB while they send nothing
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _connections_of_one_address() -> int:
    """At most half of what the process may open: the other half is for the other addresses."""
    return min(MAX_CONNECTIONS_OF_ONE_ADDRESS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


@dataclass(frozen=True, slots=True)
class Connections:
    """What the connections of a process share.

    Args:
        headers: what every answer carries.
        proxies: networks whose addresses stand for many clients, beside the loopback.
        at_most: open connections of any other address; more are closed as they come.
    """

    headers: SecurityHeaders
    proxies: Sequence[Network] = ()
    at_most: int = field(default_factory=_connections_of_one_address)
    of_address: Counter[str] = field(default_factory=Counter)

    def count(self, address: str) -> bool:
        """Count one more, if the address may have it."""
        if self.of_address[address] >= self.at_most and not self._is_proxy(address):
            return False
        self.of_address[address] += 1
        return True

    def discount(self, address: str) -> None:
        """One is closed."""
        self.of_address[address] -= 1
        if not self.of_address[address]:
            del self.of_address[address]

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:  # a Unix socket: its other end is on this machine
            return True
        return any(parsed in network for network in (*_LOOPBACK, *self.proxies))


class BoundedConnection(HttpToolsProtocol):
    """Closes a connection that exceeds a limit (CWE-400), and drops trailers (RFC 9110 §6.5.1).

    One deadline runs at a time, of a head or of a body that is dropped. The deadline of a body
    that is read is the application's, as only it knows whether it is waiting for one.
    """

    _counted: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None  # while the client does not read
    _in_body = False
    _excess = 0  # bytes of this head, or of this body beyond its data
    _most = MAX_UNREAD_HEAD_BYTES

    def __init__(self, *, connections: Connections, **config: Any) -> None:  # noqa: ANN401  # uvicorn's own
        super().__init__(**config)
        self._shared = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for the first head."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if self._shared.count(address):
            self._counted = address
            self._await_head()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        if self._counted is not None:
            self._shared.discount(self._counted)
            self._counted = None
        self._set_deadline(None)
        self._stop_waiting_for_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the limit of this part of the message is exceeded."""
        if self.transport.is_closing():
            return
        self._excess += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._excess > self._most:
            self._close()
        elif self._is_idle() and self._deadline is None and self.timeout_keep_alive_task is None:
            self._await_head()  # empty lines, or the end of a dropped body: no message has begun

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        if self._deadline is None:
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; one after the body would pass for one of the head."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there; its body, if there is one, begins."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests before the first is answered")
        self._set_deadline(None)
        self._begin_part(MAX_FRAMING_BYTES, in_body=True)
        super().on_headers_complete()
        if self.expect_100_continue:
            # it may never send the body that it has announced: what comes next is not known
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Pass data on; as much framing is allowed."""
        if not self.cycle.response_complete:
            self._excess -= 2 * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here whole."""
        self._set_deadline(None)
        self._begin_part(MAX_UNREAD_HEAD_BYTES, in_body=False)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Drop what is still to come of the body, or wait for the next head."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for_reader()
        elif self._in_body and self.cycle.response_complete:
            self._begin_part(MAX_DROPPED_BYTES, in_body=True)
            self._set_deadline(DROPPED_WITHIN_S)

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """The client has read on."""
        if not self.transport.is_closing():
            self._stop_waiting_for_reader()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for long enough."""
        self._close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own
        """Answer what cannot be parsed as every other refusal is answered, and close."""
        if not self._is_idle() and not self._ends_request():
            # answers to the requests before it are due first; the last of them closes
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        request_id = f"req_{ULID()}"
        logger.info("{} a request that cannot be parsed: 400", request_id)
        scope = {"path": "", REQUEST_ID: request_id}
        answer = problem(scope, "malformed_request")
        headers = [
            *answer.raw_headers,
            (b"date", formatdate(usegmt=True).encode()),
            (b"x-request-id", request_id.encode()),
            *self._shared.headers.of(scope),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 400 Bad Request", *(b"%b: %b" % one for one in headers), b"", b""]
        self.transport.write(b"\r\n".join(lines) + bytes(answer.body))
        self._close()

    def _ends_request(self) -> bool:
        """Whether the only request under way is the one that breaks off, which is ended here."""
        if self.pipeline or not self._in_body or self.cycle.response_started:
            return False
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return True

    def _is_idle(self) -> bool:
        """Whether every request so far is answered."""
        return self.cycle is None or self.cycle.response_complete

    def _begin_part(self, most: int, *, in_body: bool) -> None:
        self._excess, self._most, self._in_body = 0, most, in_body

    def _await_head(self) -> None:
        self._begin_part(MAX_UNREAD_HEAD_BYTES, in_body=False)
        self._set_deadline(HEAD_WITHIN_S)

    def _set_deadline(self, within_s: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        later = self.loop.call_later
        self._deadline = None if within_s is None else later(within_s, self._close)

    def _wait_for_reader(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(WRITTEN_WITHIN_S, self.transport.abort)

    def _stop_waiting_for_reader(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _close(self) -> None:
        """Close once what was written is read, or soon."""
        self._set_deadline(None)
        if not self.transport.is_closing():
            self.transport.close()
            self._wait_for_reader()
