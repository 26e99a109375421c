"""API keys by their SHA-256, in ``api_keys``."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pymongo import DESCENDING, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.api_keys import ApiKey, ApiKeyLimitReached, Scope
from payflow.domain.errors import NotFound, Trouble
from payflow.domain.identifiers import Prefix
from payflow.domain.ports import Page
from payflow.domain.repair_ports import OperatorAct
from payflow.domain.users import Principal
from payflow.storage.access_documents import ApiKeyDocument
from payflow.storage.audit import MongoAuditLog
from payflow.storage.documents import UserDocument
from payflow.storage.identity import new_id
from payflow.storage.pages import page_of
from payflow.storage.reading import Fields, read_from
from payflow.storage.transactions import Client, Collection, in_transaction, translated
from payflow.storage.visibility import owned_by, visible_to

NOTED_EVERY = timedelta(minutes=1)  # a write for each request would cost more than it tells


class MongoApiKeys:
    """The ``ApiKeys`` port over the Beanie documents."""

    def __init__(self, client: Client, audit: MongoAuditLog) -> None:
        self._client = client
        self._audit = audit

    def new_id(self, at: datetime) -> str:
        """A fresh id for a key made at that moment."""
        return new_id(Prefix.API_KEY, at)

    async def add(self, key: ApiKey, key_hash: str, limit: int) -> None:
        """Keep a new key, or ``ApiKeyLimitReached``."""
        good = {
            "owner_id": key.owner_id,
            "revoked_at": None,
            "expires_at": {"$gt": key.created_at},
        }

        async def work(session: AsyncClientSession) -> None:
            # two requests at once write the same user, so one of them conflicts and counts again
            await UserDocument.get_pymongo_collection().update_one(
                {"_id": key.owner_id},
                {"$set": {"api_key_added_at": key.created_at}},
                session=session,
            )
            if await self._kept.count_documents(good, session=session) >= limit:
                raise ApiKeyLimitReached(limit)
            await _document(key, key_hash).insert(session=session)

        await in_transaction(self._client, work)

    async def find(self, key_hash: str) -> ApiKey | None:
        """The key that is shown."""
        with translated():
            fields = await self._kept.find_one({"key_hash": key_hash})
        return _key(fields) if fields else None

    async def used(self, key: ApiKey, at: datetime) -> None:
        """Note that it was shown, once a minute."""
        if key.last_used_at is not None and at - key.last_used_at < NOTED_EVERY:
            return
        with suppress(Trouble), translated():  # who is let in does not depend on the note
            await self._kept.update_one({"_id": key.id}, {"$max": {"last_used_at": at}})

    async def get(self, key_id: str, viewer: Principal) -> ApiKey:
        """Read one, if the viewer may see it."""
        with translated():
            fields = await self._kept.find_one(visible_to(viewer, key_id))
        return _found(fields, key_id)

    async def list(self, viewer: Principal, *, limit: int, after: str | None) -> Page[ApiKey]:
        """The viewer's own keys, newest first."""
        cursor = self._kept.find(
            owned_by(viewer, after=after), sort=[("_id", DESCENDING)], limit=limit + 1
        )
        with translated():
            documents = await cursor.to_list()
        return page_of(documents, limit, _key)

    async def revoke(
        self, key_id: str, viewer: Principal, at: datetime, act: OperatorAct | None = None
    ) -> ApiKey:
        """Let it open nothing any more; the first revocation's moment stays."""

        async def work(session: AsyncClientSession) -> ApiKey:
            before = _found(
                await self._kept.find_one_and_update(
                    visible_to(viewer, key_id),
                    [{"$set": {"revoked_at": {"$ifNull": ["$revoked_at", at]}}}],
                    return_document=ReturnDocument.BEFORE,
                    session=session,
                ),
                key_id,
            )
            if act and before.revoked_at is None and before.owner_id != viewer.user_id:
                await self._audit.write(act, session)
            return replace(before, revoked_at=before.revoked_at or at)

        return await self._audit.in_transaction(act, work)

    @property
    def _kept(self) -> Collection:
        return ApiKeyDocument.get_pymongo_collection()


def _found(fields: dict[str, Any] | None, key_id: str) -> ApiKey:
    if fields is None:
        raise NotFound("api_key", key_id)
    return _key(fields)


def _document(key: ApiKey, key_hash: str) -> ApiKeyDocument:
    return ApiKeyDocument(
        id=key.id,
        key_hash=key_hash,
        owner_id=key.owner_id,
        name=key.name,
        hint=key.hint,
        scopes=list(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
    )


@read_from(ApiKeyDocument)
def _key(fields: Fields) -> ApiKey:
    return ApiKey(
        id=fields["_id"],
        owner_id=fields["owner_id"],
        name=fields["name"],
        hint=fields["hint"],
        scopes=tuple(Scope(name) for name in fields["scopes"]),
        created_at=fields["created_at"],
        expires_at=fields["expires_at"],
        last_used_at=fields.get("last_used_at"),
        revoked_at=fields.get("revoked_at"),
    )
