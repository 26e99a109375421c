"""Webhook endpoints over MongoDB, and what the journal says of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import DESCENDING, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.errors import NotFound
from payflow.domain.event_ports import FeedEvent
from payflow.domain.identifiers import Prefix
from payflow.domain.ports import Clock, Page
from payflow.domain.representation import rfc3339
from payflow.domain.users import Principal
from payflow.domain.webhook_errors import EndpointLimitReached
from payflow.domain.webhooks import (
    DISABLED_EVENT,
    TEST_EVENT,
    DisabledReason,
    Endpoint,
    EndpointStatus,
    SealedSecret,
    endpoint_object,
)
from payflow.storage.books_collections import BooksCollections
from payflow.storage.identity import new_id
from payflow.storage.pages import page_of
from payflow.storage.reading import each_readable
from payflow.storage.transactions import Collection, in_transaction, translated
from payflow.storage.visibility import owned_by, owned_one, visible_to
from payflow.storage.webhook_documents import WebhookEndpointDocument
from payflow.storage.webhook_mapping import from_endpoint, secret_fields, to_endpoint

KIND = "webhook_endpoint"


class MongoEndpoints:
    """The ``Endpoints`` port."""

    def __init__(self, books: BooksCollections, database: str, clock: Clock) -> None:
        self._client = books.client
        self._journal = books.journal
        self._endpoints: Collection = books.client[database][WebhookEndpointDocument.Settings.name]
        self._users = books.users
        self._clock = clock

    def new_id(self, at: datetime) -> str:
        """A fresh id for an endpoint made at that moment."""
        return new_id(Prefix.ENDPOINT, at)

    async def add(self, endpoint: Endpoint, limit: int) -> None:
        """Keep a new endpoint, or ``EndpointLimitReached``."""

        async def work(session: AsyncClientSession) -> None:
            # two requests at once write the same user, so one of them conflicts and counts again
            owner = await self._users.find_one_and_update(
                {"_id": endpoint.owner_id},
                {"$inc": {"endpoints_added": 1}},
                session=session,
            )
            owned = {"owner_id": endpoint.owner_id}
            if await self._endpoints.count_documents(owned, session=session) >= limit:
                raise EndpointLimitReached(limit)
            away = {"owner_away": owner is not None and not owner.get("active", True)}
            await self._endpoints.insert_one({**from_endpoint(endpoint), **away}, session=session)

        await in_transaction(self._client, work)

    async def get(self, endpoint_id: str, viewer: Principal) -> Endpoint:
        """Read one, if the viewer owns it or is an operator."""
        with translated():
            found = await self._endpoints.find_one(visible_to(viewer, endpoint_id))
        return _found(found, endpoint_id)

    async def list(self, viewer: Principal, *, limit: int, after: str | None) -> Page[Endpoint]:
        """The viewer's own endpoints, newest first."""
        query = owned_by(viewer, after=after)
        cursor = self._endpoints.find(query, sort=[("_id", DESCENDING)], limit=limit + 1)
        with translated():
            documents = await cursor.to_list()
        return page_of(documents, limit, to_endpoint)

    async def change(
        self, endpoint_id: str, viewer: Principal, changes: Mapping[str, Any]
    ) -> Endpoint:
        """Set fields of one's own endpoint; a status of the owner's clears why we disabled it."""
        fields = {**changes, "updated_at": self._clock.now()}
        if "status" in changes:
            fields |= {"disabled_reason": None, "failing_since": None}
        with translated():
            found = await self._endpoints.find_one_and_update(
                owned_one(viewer, endpoint_id),
                {"$set": fields},
                return_document=ReturnDocument.AFTER,
            )
        return _found(found, endpoint_id)

    async def set_secrets(
        self,
        endpoint_id: str,
        secrets: Sequence[SealedSecret],
        *,
        before: Sequence[SealedSecret],
    ) -> bool:
        """Replace the secrets it is signed with, if they are still those of ``before``."""
        as_read = [secret_fields(secret) for secret in before]
        fields = {
            "secrets": [secret_fields(secret) for secret in secrets],
            "updated_at": self._clock.now(),
        }
        with translated():
            result = await self._endpoints.update_one(
                {"_id": endpoint_id, "secrets": as_read}, {"$set": fields}
            )
        return result.matched_count == 1

    async def remove(self, endpoint_id: str, viewer: Principal) -> None:
        """Forget one's own endpoint."""
        with translated():
            result = await self._endpoints.delete_one(owned_one(viewer, endpoint_id))
        if not result.deleted_count:
            raise NotFound(KIND, endpoint_id)

    async def disable(self, endpoint_id: str, reason: DisabledReason) -> bool:
        """Stop delivering, and journal the event that tells the owner, in one transaction."""

        async def work(session: AsyncClientSession) -> bool:
            now = self._clock.now()
            found = await self._endpoints.find_one_and_update(
                {"_id": endpoint_id, "status": {"$ne": EndpointStatus.DISABLED.value}},
                {
                    "$set": {
                        "status": EndpointStatus.DISABLED.value,
                        "disabled_reason": reason.value,
                        "updated_at": now,
                    }
                },
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if found is None:
                return False
            mark = self._mark(to_endpoint(found), "disabled", DISABLED_EVENT)
            await self._journal.insert_one(mark, session=session)
            return True

        return await in_transaction(self._client, work)

    async def announce_test(self, endpoint: Endpoint) -> FeedEvent:
        """Journal a test event for this endpoint alone."""
        mark = {**self._mark(endpoint, "test", TEST_EVENT), "endpoint_id": endpoint.id}
        with translated():
            await self._journal.insert_one(mark)
        return FeedEvent(0, mark["event"], (endpoint.owner_id,), endpoint_id=endpoint.id)

    async def sealed_otherwise(self, key_id: str) -> Sequence[Endpoint]:
        """The endpoints with a secret that is not sealed under that key."""
        query = {"secrets": {"$elemMatch": {"key_id": {"$ne": key_id}}}}
        with translated():
            found = self._endpoints.find(query)
            return [one async for one in each_readable(to_endpoint, found)]

    def _mark(self, endpoint: Endpoint, leg: str, event_type: str) -> dict[str, Any]:
        """A journal document that moves no money and tells the owner something."""
        now = self._clock.now()
        event_id = new_id(Prefix.EVENT, now)
        return {
            "_id": f"{endpoint.id}:{leg}:{event_id}",
            "leg": leg,
            "postings": [],
            "entry_id": new_id(Prefix.ENTRY, now),
            "audience": [endpoint.owner_id],
            "event": {
                "id": event_id,
                "type": event_type,
                "sequence": 1,
                "created_at": rfc3339(now),
                "data": endpoint_object(endpoint),
            },
            "created_at": now,
        }


def _found(fields: dict[str, Any] | None, endpoint_id: str) -> Endpoint:
    if fields is None:
        raise NotFound(KIND, endpoint_id)
    return to_endpoint(fields)
