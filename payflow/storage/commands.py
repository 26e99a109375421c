"""Writes of a transaction as the commands they are.

The driver's own insert and update methods prepare for what cannot happen inside a transaction
(a retry, a second batch), which costs a sixth of a transaction's CPU. What is written here fits
into one message: 200 legs, each of a transfer whose request was 64 KiB at most, or a batch of
8 MiB.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError, WriteError

from payflow.storage.transactions import Collection

Fields = Mapping[str, Any]
_DUPLICATE_KEY = 11000  # MongoDB's error code


async def insert(
    collection: Collection, documents: Sequence[Fields], session: AsyncClientSession
) -> None:
    """Insert the documents, each with an ``_id`` of its own.

    Raises:
        DuplicateKeyError: a key is taken; the transaction is over.
    """
    await _write(collection, {"insert": collection.name, "documents": documents}, session)


async def update(
    collection: Collection, updates: Sequence[Fields], session: AsyncClientSession
) -> int:
    """Make the updates (``q``, ``u`` and what else the command takes); how many matched."""
    answer = await _write(collection, {"update": collection.name, "updates": updates}, session)
    return int(answer["n"])


async def _write(
    collection: Collection, command: dict[str, Any], session: AsyncClientSession
) -> dict[str, Any]:
    answer = await collection.database.command(command, session=session)
    for error in answer.get("writeErrors", ()):
        kind = DuplicateKeyError if error["code"] == _DUPLICATE_KEY else WriteError
        raise kind(error["errmsg"], error["code"], error)
    return answer
