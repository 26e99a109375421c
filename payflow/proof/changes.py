"""What the server recorded since the last pass: a change stream, read up to a mark of our own.

Nobody's word is taken for how far the stream has come. A pass writes a mark, and reads until the
stream tells of it: all that was committed before is read, and the mark's time names the snapshot
that holds exactly that.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bson.timestamp import Timestamp
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from payflow.domain.conservation import (
    BATCHES,
    FEED,
    INSERT,
    JOURNAL,
    TRANSFERS,
    UPDATE,
    WALLETS,
    Change,
)
from payflow.domain.errors import PayflowError
from payflow.proof.sums import Database
from payflow.storage.proof_documents import ProofStateDocument

STATE = ProofStateDocument.Settings.name
CHECKPOINT = "checkpoint"
READ_AT_ONCE = 1_000  # changes; about 1.5 MB
_FOLDED = (JOURNAL, FEED, WALLETS, TRANSFERS, BATCHES)
_RESUMABLE = "ResumableChangeStreamError"

Fields = dict[str, Any]


class StreamLost(PayflowError):
    """The server cannot say any more what happened since the last pass: fold from the start."""

    code = "proof_stream_lost"


@dataclass(frozen=True, slots=True)
class Commit:
    """The changes of one commit, and the token to go on after it."""

    changes: list[Change]
    token: Fields


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a pass ends: its time names a snapshot, its token is where the next one begins."""

    time: Timestamp
    token: Fields


class Changes:
    """An open stream. After ``until`` has ended, ``mark`` says where."""

    def __init__(self, stream: AsyncChangeStream[Fields]) -> None:
        self._stream = stream
        self.mark: Mark | None = None

    async def until(self, mark: str) -> AsyncIterator[Commit]:
        """Commit by commit up to the mark.

        All changes of a transaction have its commit's cluster time, and nothing else has it.

        Raises:
            StreamLost: this place is gone.
        """
        gathered: list[Change] = []
        time, token = None, None
        async for event in self._read():
            if gathered and event["clusterTime"] != time:
                yield Commit(gathered, token or {})
                gathered = []
            time, token = event["clusterTime"], event["_id"]
            if event["ns"].get("coll") != STATE:
                gathered.append(_change(event))
            elif event.get("updateDescription", {}).get("updatedFields", {}).get("mark") == mark:
                self.mark = Mark(time, token)
                return

    async def _read(self) -> AsyncIterator[Fields]:
        while True:
            try:
                event: Fields = await self._stream.next()
            except (PyMongoError, StopAsyncIteration) as error:
                raise _sorted_out(error) from error
            if event["operationType"] == "invalidate":
                raise StreamLost
            yield event


@asynccontextmanager
async def changes_after(database: Database, token: Fields | None) -> AsyncIterator[Changes]:
    """The stream after ``token``, or from now on.

    Raises:
        StreamLost: the token is too old, or none of this server's.
    """
    majority = database.with_options(read_concern=ReadConcern("majority"))
    pipeline: list[Mapping[str, Any]] = [
        {"$match": {"ns.coll": {"$in": [*_FOLDED, STATE]}}},
        {"$project": {"lsid": 0, "txnNumber": 0, "wallTime": 0, "fullDocument.origin": 0}},
    ]
    try:
        stream = await majority.watch(pipeline, resume_after=token, batch_size=READ_AT_ONCE)
    except PyMongoError as error:
        raise _sorted_out(error) from error
    async with stream:
        yield Changes(stream)


def _change(event: Fields) -> Change:
    operation, key = event["operationType"], event.get("documentKey", {}).get("_id", "*")
    collection = event["ns"]["coll"]
    if operation == INSERT:
        fields = event["fullDocument"]
    elif operation == UPDATE:
        said = event["updateDescription"]
        fields = {**said["updatedFields"], **dict.fromkeys(said["removedFields"])}
    else:
        fields = {}
    return Change(collection, operation, str(key), fields)


def _sorted_out(error: Exception) -> Exception:
    """Lost for good, or worth another attempt (the caller's)."""
    passing = isinstance(error, ConnectionFailure) or (
        isinstance(error, PyMongoError) and error.has_error_label(_RESUMABLE)
    )
    if isinstance(error, StopAsyncIteration) or (
        isinstance(error, OperationFailure) and not passing
    ):
        return StreamLost(str(error))
    return error
