"""The audit log's chain: every line that is written or completed is sealed in the same transaction.

A link holds the SHA-256 of the whole line and of the link before it, so a line that is changed,
removed, slipped in or put elsewhere afterwards no longer fits. Who can write to the database can
also build a whole new chain; that shows against a head that was kept elsewhere, and each head is
in the process's log.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from loguru import logger
from pymongo import DESCENDING, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from payflow.domain.representation import rfc3339
from payflow.storage.access_documents import AuditLinkDocument
from payflow.storage.transactions import Client, Collection, WriteConflict

BEGINNING = "0" * 64
AUDIT = "audit"

Fields = Mapping[str, Any]


class AuditChain:
    """The one way to write to ``audit``."""

    def __init__(self, client: Client, database: str) -> None:
        self.lines: Collection = client[database][AUDIT]
        self.links: Collection = client[database][AuditLinkDocument.Settings.name]

    async def write(
        self, which: Fields, update: Fields, session: AsyncClientSession, *, upsert: bool = False
    ) -> dict[str, Any] | None:
        """What ``update_one`` does to a line, and its link; the line as it stands, or None.

        Inside a transaction (``in_transaction``), which is run again when another link came first.
        """
        line = await self.lines.find_one_and_update(
            which, update, upsert=upsert, return_document=ReturnDocument.AFTER, session=session
        )
        if line is not None:
            await self._seal(line, session)
        return line

    async def _seal(self, line: Fields, session: AsyncClientSession) -> None:
        last = await self.links.find_one({}, sort=[("_id", DESCENDING)], session=session)
        link = link_after(last, line)
        try:
            await self.links.insert_one(link, session=session)
        except DuplicateKeyError as error:
            raise WriteConflict("another act was sealed first") from error
        logger.info("audit head {}:{}", link["_id"], link["hash"])


def link_after(last: Fields | None, line: Fields) -> dict[str, Any]:
    """The link that seals this line after that link."""
    link = {
        "_id": 1 if last is None else last["_id"] + 1,
        "act_id": line["_id"],
        "digest": digest_of(line),
        # a link that was spoilt is found by who verifies; it stops no operator
        "previous": BEGINNING if last is None else str(last.get("hash")),
    }
    return {**link, "hash": hash_of(link)}


def digest_of(line: Fields) -> str:
    """The SHA-256 of the whole line."""
    return sha256(_canonical(line)).hexdigest()


def hash_of(link: Fields) -> str:
    """The SHA-256 of a link without its own hash."""
    return sha256(_canonical({k: v for k, v in link.items() if k != "hash"})).hexdigest()


def _canonical(fields: Fields) -> bytes:
    """One spelling for the same content: keys in order, no space, times as the API writes them."""
    text = json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
    )
    return text.encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    return repr(value)  # another type than we write is somebody else's, and fits no digest of ours
