"""One MongoDB transaction, run to a known end or reported as unknown.

Errors are sorted by what is known of the books: transient ones are run again whole, a commit in
doubt is repeated in its session, and only then is a caller told ``OutcomeUnknown``. A document
that was not found after a commit in doubt proves nothing: the commit may still land.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NoReturn, TypeVar

from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from payflow.domain.errors import BooksUnavailable, OutcomeUnknown

T = TypeVar("T")
Client = AsyncMongoClient[dict[str, Any]]
Collection = AsyncCollection[dict[str, Any]]

RETRY_FOR_S = 8.0  # a primary's election takes 2-5 s; a caller's own deadline is 10 s
COMMIT_FOR_S = 8.0
JITTER_S = (0.002, 0.050)  # a conflicting group holds a wallet for about 10 ms

_TRANSIENT = "TransientTransactionError"
_IN_DOUBT = "UnknownTransactionCommitResult"
_JOURNALED = WriteConcern(w="majority", j=True)
_SNAPSHOT = ReadConcern("snapshot")


class WriteConflict(Exception):
    """A guarded update found another version than was read: run the whole again."""


async def in_transaction(
    client: Client,
    work: Callable[[AsyncClientSession], Awaitable[T]],
    *,
    retry_for_s: float = RETRY_FOR_S,
) -> T:
    """Run ``work`` in a transaction until it is committed.

    ``work`` may run several times and must write through the session it is given only.

    Raises:
        BooksUnavailable: nothing was written. OutcomeUnknown: a commit stayed in doubt.
        Whatever ``work`` raises that is no trouble of the database's; nothing was written.
    """
    deadline = time.monotonic() + retry_for_s
    while True:
        try:
            return await attempt(client, work)
        except (PyMongoError, WriteConflict) as error:
            away = isinstance(error, ServerSelectionTimeoutError)  # waited for already
            if away or not is_transient(error) or time.monotonic() > deadline:
                raise_translated(error)
        await pause()


async def attempt(client: Client, work: Callable[[AsyncClientSession], Awaitable[T]]) -> T:
    """One run of ``work`` and its commit, or the driver's error with its labels."""
    async with snapshot_session(client) as session:
        result = await work(session)
        if session.in_transaction:  # else the last writes' line has committed it
            await _commit(session)
        return result


@asynccontextmanager
async def snapshot_session(client: Client) -> AsyncIterator[AsyncClientSession]:
    """A session inside a transaction, aborted unless it was committed."""
    async with client.start_session() as session:
        await session.start_transaction(
            read_concern=_SNAPSHOT,
            write_concern=_JOURNALED,
            read_preference=ReadPreference.PRIMARY,
        )
        try:
            yield session
        finally:
            if session.in_transaction:
                with suppress(PyMongoError):
                    await session.abort_transaction()


async def _commit(session: AsyncClientSession) -> None:
    deadline = time.monotonic() + COMMIT_FOR_S
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label(_IN_DOUBT):
                raise
            if time.monotonic() > deadline:
                raise OutcomeUnknown from error
        else:
            return
        await pause()


async def pause(between_s: tuple[float, float] = JITTER_S) -> None:
    """Wait a random moment (no secret), so that two who conflicted do not meet again."""
    await asyncio.sleep(random.uniform(*between_s))  # noqa: S311  # nosec B311


def is_transient(error: Exception) -> bool:
    """Whether running the whole transaction again may end otherwise, nothing being written."""
    if isinstance(error, WriteConflict):
        return True
    return isinstance(error, PyMongoError) and error.has_error_label(_TRANSIENT)


def is_conflict(error: Exception) -> bool:
    """Whether somebody else holds what we want, the database itself being well."""
    return is_transient(error) and not isinstance(error, ConnectionFailure)


def translate(error: Exception) -> Exception:
    """The domain's word for a driver's error; what is not the driver's passes unchanged."""
    if isinstance(error, DuplicateKeyError):
        return error
    if is_transient(error) or isinstance(
        error, (AutoReconnect, ConnectionFailure, ExecutionTimeout, WriteConcernError)
    ):
        return BooksUnavailable()
    return error


def raise_translated(error: Exception) -> NoReturn:
    """Raise the domain's word for it; an error is never made its own cause, which has no end."""
    said = translate(error)
    if said is error:
        raise error
    raise said from error


@contextmanager
def translated() -> Iterator[None]:
    """Around plain reads and single writes: a database that is away is ``BooksUnavailable``."""
    try:
        yield
    except PyMongoError as error:
        raise_translated(error)
