"""What is written into the journal, in the order in which it was committed: a change stream.

A batch is all that came since the last one, so that the work of the relay is done per batch and
not per event. The driver's own helper hands out single events and cannot say how many wait.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from bson import Int64
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from payflow.domain.errors import BooksUnavailable, PayflowError
from payflow.storage.transactions import Collection, translate
from payflow.storage.uncancelled import finished

MAX_BATCH = 500  # events; about 1 MB, and 20 ms to write
WAIT_MS = 500  # for the first event of a batch
_CURSOR_NOT_FOUND = 43  # after a restart of the server; its token is as good as before
_RESUMABLE = "ResumableChangeStreamError"

Fields = dict[str, Any]

# What the relay needs of a journal document.
PLACED = ("event", "audience", "transfer_id", "wallet_id", "endpoint_id", "traceparent")


class StreamRefused(PayflowError):
    """The server gives no change stream from that token (or none at all)."""

    code = "change_stream_refused"


@dataclass(frozen=True, slots=True)
class Batch:
    """Journal documents in commit order, and the token to resume after them."""

    documents: list[Fields]
    token: Fields


class JournalTail:
    """A change stream over the journal: a cursor of the server, which no two calls use at once."""

    token: Fields

    def __init__(self, journal: Collection, session: AsyncClientSession) -> None:
        self._journal = journal
        self._cursor_id: int | None = None
        self.session = session  # a read in it sees everything from before the stream

    async def open(self, token: Fields | None) -> None:
        """Begin after the token, or now.

        Raises:
            BooksUnavailable, StreamRefused.
        """
        try:
            begin = {"resumeAfter": token} if token else await self._from_now()
            answer = await self._ask(_opening(self._journal, begin))
        except PyMongoError as error:
            raise _sorted_out(error) from error
        self._cursor_id = answer["cursor"]["id"]
        self.token = answer["cursor"]["postBatchResumeToken"]

    async def batch(self) -> Batch:
        """What came since the last batch; empty when nothing came within ``WAIT_MS``.

        Raises:
            BooksUnavailable: open another one after the last token.
            StreamRefused: the server has lost this place.
        """
        command = {
            "getMore": Int64(self._cursor_id or 0),
            "collection": self._journal.name,
            "batchSize": MAX_BATCH,
            "maxTimeMS": WAIT_MS,
        }
        try:
            answer = await finished(self._ask(command))
        except PyMongoError as error:
            raise _sorted_out(error) from error
        cursor = answer["cursor"]
        if not cursor["id"]:  # the journal was dropped or renamed: whatever follows, start anew
            raise StreamRefused("the change stream has ended")
        self.token = cursor["postBatchResumeToken"]
        return Batch([change["fullDocument"] for change in cursor["nextBatch"]], self.token)

    async def close(self) -> None:
        """Let the server forget the cursor, if there is one."""
        if self._cursor_id is None:
            return
        with suppress(PyMongoError):
            cursors = [Int64(self._cursor_id)]
            await self._ask({"killCursors": self._journal.name, "cursors": cursors})

    async def _from_now(self) -> Fields:
        """Begin at a moment that the session's own reads come after.

        Left to itself the stream begins after the last write of the primary, and the session only
        knows of the last one that a majority has: what lies between them would be seen by neither.
        """
        await self._ask({"ping": 1})
        return {"startAtOperationTime": self.session.operation_time}

    async def _ask(self, command: Fields) -> Fields:
        return await self._journal.database.command(command, session=self.session)


@asynccontextmanager
async def tail_of(journal: Collection, token: Fields | None) -> AsyncIterator[JournalTail]:
    """The change stream after ``token``, or from now on.

    Raises:
        BooksUnavailable: MongoDB does not answer.
        StreamRefused: the token is too old or none of this server's, or there are no streams.
    """
    async with journal.database.client.start_session(causal_consistency=True) as session:
        tail = JournalTail(journal, session)
        try:
            await finished(tail.open(token))
            yield tail
        finally:
            await finished(tail.close())


def _opening(journal: Collection, begin: Fields) -> Fields:
    return {
        "aggregate": journal.name,
        "pipeline": [
            {"$changeStream": begin},
            {"$match": {"operationType": "insert"}},
            {"$project": {f"fullDocument.{name}": 1 for name in ("_id", *PLACED)}},
        ],
        "cursor": {"batchSize": 0},
        "readConcern": {"level": "majority"},
    }


def _sorted_out(error: PyMongoError) -> Exception:
    """Another attempt after the same token may succeed, or this place is lost."""
    passing = isinstance(error, ConnectionFailure) or error.has_error_label(_RESUMABLE)
    if isinstance(error, OperationFailure) and not passing and error.code != _CURSOR_NOT_FOUND:
        return StreamRefused(str(error))
    translated = translate(error)
    return translated if isinstance(translated, PayflowError) else BooksUnavailable()
