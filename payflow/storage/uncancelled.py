"""Calls to MongoDB that run to their end when their caller is cancelled.

The driver must not be cancelled. A cancelled operation closes its connection, or leaves its place
in the pool taken. On Python 3.11 a caller that is cancelled twice while it waits for a primary
leaves the lock of the driver's topology taken, and the whole client is blocked for ever.

So the caller leaves at once, and its call goes on in a task of its own. The call ends by itself:
the driver gives up after 2 s without a primary and after 20 s without an answer.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Self, TypeVar, cast
from weakref import WeakSet

from loguru import logger

from payflow.domain.errors import BooksUnavailable

T = TypeVar("T")
S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])

ABANDONED_AT_MOST = 1_000  # ten times the connections of the pool; about 10 kB each
DRAIN_S = 3.0  # as long as the driver looks for a primary, and one second

_IS_SAFE = "_is_safe_to_cancel"
_abandoned: WeakSet[asyncio.Task[Any]] = WeakSet()


def safe_to_cancel(method: F) -> F:
    """Mark a store's method that waits for other tasks only: it is called without a new one."""
    setattr(method, _IS_SAFE, True)
    return method


def end_if_abandoned() -> None:
    """End a long call between two of its steps when its caller has left."""
    if asyncio.current_task() in _abandoned:
        raise asyncio.CancelledError


async def finished(call: Coroutine[Any, Any, T]) -> T:
    """The result of the call. A cancelled caller leaves when the call has ended, not before.

    For what must not run beside its own clean-up: a cursor, a session.
    """
    task = asyncio.create_task(call)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    _retrieve(task)
    raise cancelled


class Calls:
    """The calls of one process to MongoDB. ``async with`` waits for the abandoned ones."""

    def __init__(self) -> None:
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=DRAIN_S)

    @property
    def abandoned(self) -> int:
        """How many calls run without a caller."""
        return len(self._abandoned)

    async def run(self, call: Coroutine[Any, Any, T]) -> T:
        """The result of the call. A cancelled caller leaves at once, and the call goes on.

        Raises:
            BooksUnavailable: too many calls run without a caller; this one was not begun.
        """
        if self.abandoned >= ABANDONED_AT_MOST:
            call.close()
            raise BooksUnavailable
        task = asyncio.create_task(call)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._abandon(task)
            raise

    def wrap(self, store: S) -> S:
        """The same store, whose every call is run like this."""
        return cast("S", _Uncancelled(store, self))

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        if task.done():
            _retrieve(task)
            return
        _abandoned.add(task)
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)
        task.add_done_callback(_retrieve)
        if self.abandoned == ABANDONED_AT_MOST:
            logger.warning("{} calls to MongoDB have no caller: refusing more", ABANDONED_AT_MOST)


class _Uncancelled:
    """A store behind ``Calls``: coroutines are run, generators advance, the rest passes."""

    def __init__(self, store: object, calls: Calls) -> None:
        self.__dict__.update(_store=store, _calls=calls)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the store has
        found = getattr(self.__dict__["_store"], name)
        if not callable(found) or hasattr(found, _IS_SAFE):
            return found
        calls: Calls = self.__dict__["_calls"]

        def call(*args: object, **named: object) -> object:
            result = found(*args, **named)
            if inspect.iscoroutine(result):
                return calls.run(result)
            return _advanced(result) if inspect.isasyncgen(result) else result

        return call

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__dict__["_store"], name, value)


async def _advanced(source: AsyncGenerator[T, Any]) -> AsyncGenerator[T, None]:
    """The same items; a cancelled reader leaves between two of them."""
    try:
        while True:
            try:
                item = await finished(_next(source))
            except StopAsyncIteration:
                return
            yield item
    finally:
        await finished(_close(source))


async def _next(source: AsyncGenerator[T, Any]) -> T:
    return await anext(source)


async def _close(source: AsyncGenerator[Any, None]) -> None:
    await source.aclose()


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Take the exception that no caller takes: asyncio would log it."""
    if not task.cancelled():
        task.exception()
