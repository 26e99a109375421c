"""Connections to MongoDB that outlive an election, and make no tasks to pass a message.

The one module that knows private parts of the driver.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any, TypeVar

import pymongo.lock
from pymongo import _csot
from pymongo.asynchronous.pool import AsyncConnection, Pool
from pymongo.errors import _OperationCancelled
from pymongo.message import _UNPACK_REPLY, _OpMsg
from pymongo.pool_shared import _CancellationContext

T = TypeVar("T")


def wait_in_the_callers_task() -> None:
    """Let the driver wait for its conditions as it does on Python 3.12 and newer.

    ``asyncio.wait_for`` of Python 3.11 runs ``Condition.wait()`` in a task of its own. A caller
    that is cancelled twice leaves that task behind: it takes the condition's lock, and nothing
    releases it. ``payflow.storage.uncancelled`` keeps our own cancellations away; this is for
    those that do not pass there.
    """
    if sys.version_info < (3, 12):
        setattr(pymongo.lock, "wait_for", _wait_for)  # noqa: B010  # the driver does not export it


async def _wait_for(waiting: Awaitable[T], timeout_s: float | None) -> T:
    async with asyncio.timeout(timeout_s):
        return await waiting


class LastingPool(Pool):
    """Connections that know what their server can do, not what it was doing as they were opened.

    The driver takes a server that was neither primary nor secondary at that moment, as any is
    amid an election, for one without sessions. It never asks again: once that server leads, every
    transaction and every change stream on the connection is refused, for as long as it is open.
    """

    async def connect(self, handler: Any = None) -> AsyncConnection:  # noqa: ANN401 - the driver's
        """A new connection; a server that says how long its sessions live has sessions."""
        opened = await super().connect(handler)
        # a monitor's connection has not greeted its server yet
        if getattr(opened, "logical_session_timeout_minutes", None) is not None:
            opened.supports_sessions = True
            opened.__class__ = DirectConnection
            self._give_up_at_once(opened)
        return opened

    def _give_up_at_once(self, opened: AsyncConnection) -> None:
        """Let who interrupts the connections in use be heard by those that wait for an answer."""
        polled, heard = opened.cancel_context, _HangUp(opened)
        self.active_contexts.discard(polled)
        self.active_contexts.add(heard)
        opened.cancel_context = heard
        if polled.cancelled:
            heard.cancel()


class DirectConnection(AsyncConnection):
    """Writes and reads in the task that asks, and answers those who asked in their order.

    The driver makes three tasks for each command: one that writes, one that reads, and one that
    looks twice a second whether to give up. A write never waits, so it needs no time limit; who
    gives up hangs up (``_HangUp``), which ends the reading. A transaction takes a tenth less.

    What is asked before the last answer has come is asked in line: the driver, which asks one
    thing at a time, would mix up who hears which answer.
    """

    _last: asyncio.Future[None] | None = None  # done when nobody reads any more

    async def send_message(self, message: bytes, max_doc_size: int) -> None:
        """Send, or raise ``ConnectionFailure``."""
        if self.max_bson_size is not None and max_doc_size > self.max_bson_size:
            await super().send_message(message, max_doc_size)  # which says what is too large
        try:
            await self.conn.get_conn.write(message)
        except BaseException as error:  # whatever it was, nobody knows what was sent
            await self._raise_connection_failure(error)

    async def receive_message(self, request_id: int | None) -> _OpMsg:
        """The answer, or ``ConnectionFailure``."""
        if _csot.get_timeout():  # a deadline over several commands, which we do not set
            return await super().receive_message(request_id)
        protocol, limit_s = self.conn.get_conn, self.conn.gettimeout
        loop = asyncio.get_running_loop()
        before, self._last = self._last, loop.create_future()
        mine, late = self._last, None
        if limit_s is not None:
            late = loop.call_later(limit_s, protocol.close, TimeoutError("timed out"))
        try:
            if before is not None and not before.done():
                await asyncio.shield(before)
            data, op_code = await protocol.read(request_id, self.max_message_size)
            return _UNPACK_REPLY[op_code](data)
        except BaseException as error:  # whatever it was, the next answer may be this one's
            await self._raise_connection_failure(error)
        finally:
            mine.set_result(None)
            if late is not None:
                late.cancel()


class _HangUp(_CancellationContext):
    """Told to give up, it ends the connection, and whoever waits for an answer hears that."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__()
        self._connection = connection

    def cancel(self) -> None:
        """End it, once."""
        if not self.cancelled:
            super().cancel()
            self._connection.conn.get_conn.close(_OperationCancelled("operation cancelled"))
