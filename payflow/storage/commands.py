"""Writes of a transaction as the commands they are, in line: none waits for the one before it.

The driver's own insert and update methods prepare for what cannot happen inside a transaction
(a retry, a second batch), which costs a sixth of a transaction's CPU. What is written here fits
into one message: 200 legs, each of a transfer whose request was 64 KiB at most, or a batch of
8 MiB.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.pool import AsyncConnection
from pymongo.client_session_shared import _TxnState
from pymongo.errors import DuplicateKeyError, PyMongoError, WriteError

from payflow.storage.transactions import Collection, WriteConflict

Fields = Mapping[str, Any]
UNANSWERED = 16  # a batch's documents come in messages of about 0.6 MB
_DUPLICATE_KEY = 11000  # MongoDB's error code


@dataclass(frozen=True, slots=True)
class Write:
    """A command to one collection, and how many documents it must concern."""

    collection: Collection
    command: dict[str, Any]
    due: int

    def check(self, answer: Fields) -> None:
        """Raise what the answer says has gone wrong; the transaction is to end then."""
        for error in answer.get("writeErrors", ()):
            kind = DuplicateKeyError if error["code"] == _DUPLICATE_KEY else WriteError
            raise kind(error["errmsg"], error["code"], error)
        if answer["n"] != self.due:
            raise WriteConflict(f"{self.collection.name}: a version guard did not match")


def insertion(collection: Collection, documents: Sequence[Fields]) -> Write:
    """Insert the documents, each with an ``_id`` of its own."""
    return Write(collection, {"insert": collection.name, "documents": documents}, len(documents))


def changes(collection: Collection, updates: Sequence[Fields], due: int) -> Write:
    """Make the updates (``q``, ``u`` and what else the command takes), which match so many."""
    return Write(collection, {"update": collection.name, "updates": updates}, due)


class Line:
    """Writes of one transaction on one connection: sent at once, answered in their order.

    MongoDB works off what a connection brings one after the other, and a write that fails ends
    the transaction for those behind it. Only the commit must wait for all the answers.
    """

    def __init__(self, connection: AsyncConnection, session: AsyncClientSession) -> None:
        self._connection = connection
        self._session = session
        self._sent: list[tuple[Write, asyncio.Task[dict[str, Any]]]] = []

    def send(self, one: Write) -> None:
        """Let it go as soon as this task waits; ``answered`` tells what the server says of it."""
        sending = self._connection.command(
            one.collection.database.name,
            one.command,
            session=self._session,
            client=self._session.client,
        )
        # without its documents: all those of a batch would be many
        bare = Write(one.collection, {}, one.due)
        self._sent.append((bare, asyncio.ensure_future(sending)))

    async def room(self) -> None:
        """Wait while many writes have no answer: what MongoDB has not read is in our memory."""
        if len(self._sent) >= UNANSWERED:
            await asyncio.wait([self._sent[-UNANSWERED][1]])

    async def answered(self) -> None:
        """Wait for all the answers.

        Raises:
            DuplicateKeyError, WriteConflict: why the first that failed did so.
            PyMongoError: nothing is known of the writes but that they are not committed.
        """
        answers = await asyncio.gather(*self._tasks, return_exceptions=True)
        for (one, _), answer in zip(self._sent, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            one.check(answer)

    async def committed(self) -> None:
        """Wait for all the answers, and commit on this connection, which saves finding one.

        A commit that has no good answer is left to who began the transaction, to be repeated.

        Raises:
            What ``answered`` raises; nothing is committed then.
        """
        await self.answered()
        with suppress(PyMongoError):
            await self._session._finish_transaction(self._connection, "commitTransaction")
            self._session._transaction.state = _TxnState.COMMITTED

    async def leave(self) -> None:
        """Wait for no answer: the connection, which would still bring some, ends."""
        self._connection.cancel_context.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _tasks(self) -> list[asyncio.Task[dict[str, Any]]]:
        return [task for _, task in self._sent]


@asynccontextmanager
async def in_line(session: AsyncClientSession, *, commits: bool = False) -> AsyncIterator[Line]:
    """A line for the writes of the session's transaction; who leaves it has all the answers.

    ``commits``: they are its last.
    """
    # the driver has no other door to one connection
    async with await session.client._conn_for_writes(session, "update") as connection:
        line = Line(connection, session)
        try:
            yield line
        except BaseException:
            await line.leave()
            raise
        await (line.committed() if commits else line.answered())
