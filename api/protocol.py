"""The wire under the HTTP door: a request's head is small and comes soon, or the line is cut.

The server reads a head whole before anybody can refuse it, and waits for it without end; both are
bounded here. A body is bounded where it is read (``api.bounds``).
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_UNREAD_HEAD_BYTES = 65_536  # beyond what ``bounds`` answers with a 431: nobody to talk to
HEAD_WITHIN_S = 10.0


class BoundedHead(HttpToolsProtocol):
    """Closes a connection whose next head is too long or too slow (CWE-400, "slowloris")."""

    _unread = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Read on, unless this head has had its time or its size."""
        if self._deadline is not None:
            self._unread += len(data)
        super().data_received(data)
        if self._deadline is not None and self._unread > MAX_UNREAD_HEAD_BYTES:
            self._hang_up()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        if self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._cancel()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._cancel()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._unread = 0
        self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._hang_up)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self) -> None:
        self._cancel()
        if not self.transport.is_closing():
            self.transport.close()
