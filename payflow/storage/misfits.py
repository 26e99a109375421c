"""Stored documents that are not as their class says, found by the server, in every collection."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from beanie import Document
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from payflow.domain.webhooks import DeliveryStatus
from payflow.storage.document_schema import json_schema_of
from payflow.storage.documents import DOCUMENTS, FeedDocument, JournalDocument, TransferDocument
from payflow.storage.endings import UNFINISHED
from payflow.storage.webhook_documents import WebhookDeliveryDocument

MOST = 100  # of one collection: enough to see what is wrong, whatever is wrong
ASKED_WITHIN_S = 120.0  # one collection, which the server reads whole

# What of the large collections is asked for where not all is to be read; None is nothing.
_LIVE: Mapping[type[Document], Mapping[str, Any] | None] = {
    TransferDocument: UNFINISHED,
    WebhookDeliveryDocument: {"status": DeliveryStatus.PENDING.value},
    JournalDocument: None,
    FeedDocument: None,
}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A document that cannot be read."""

    collection: str
    document_id: object


async def misfits(
    database: AsyncDatabase[dict[str, Any]],
    session: AsyncClientSession | None = None,
    *,
    live_only: bool = False,
) -> AsyncIterator[Misfit]:
    """Documents that are not as their class says, at most ``MOST`` of each collection.

    ``live_only``: without the journal, the feed, and transfers and deliveries that have ended.
    """
    for document in DOCUMENTS:
        live = _LIVE.get(document, {}) if live_only else {}
        if live is None:
            continue
        name = name_of(document)
        found = (
            database[name]
            .find({**live, **other_than(document)}, {"_id": 1}, limit=MOST, session=session)
            .max_time_ms(int(ASKED_WITHIN_S * 1_000))
        )
        async for fields in found:
            yield Misfit(name, fields["_id"])


def other_than(document: type[Document]) -> dict[str, Any]:
    """The query of the documents that are not as their class says."""
    return {"$nor": [{"$jsonSchema": json_schema_of(document)}]}


@cache
def like(collection: str) -> dict[str, Any]:
    """The query of the documents of a collection that are as their class says."""
    document = next(one for one in DOCUMENTS if name_of(one) == collection)
    return {"$jsonSchema": json_schema_of(document)}


def name_of(document: type[Document]) -> str:
    """The collection of a class."""
    return str(getattr(document, "Settings").name)  # noqa: B009  # Beanie's, undeclared
