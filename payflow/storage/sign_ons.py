"""Visits to the provider in ``sign_on_visits``, identities in ``sign_on_links``."""

from datetime import datetime
from typing import ClassVar

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from payflow.domain.sign_on import Identity, Visit
from payflow.storage.reading import Fields, read_from
from payflow.storage.stored import StoredDocument
from payflow.storage.transactions import Client, translated


class SignOnVisitDocument(StoredDocument):
    """Somebody on their way to the provider, under the SHA-256 of their state."""

    ticket_hash: str
    nonce: str
    verifier: str
    expires_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "sign_on_visits"
        indexes: ClassVar = [
            IndexModel([("expires_at", ASCENDING)], name="expired", expireAfterSeconds=0)
        ]


class SignOnLinkDocument(StoredDocument):
    """Which user an identity is, under the SHA-256 of issuer and subject."""

    issuer: str
    subject: str
    user_id: str
    created_at: datetime

    class Settings:
        """Collection; it is read by ``_id`` alone."""

        name = "sign_on_links"


class MongoSignOns:
    """The ``SignOns`` port."""

    def __init__(self, client: Client, database: str) -> None:
        self._visits = client[database][SignOnVisitDocument.Settings.name]
        self._links = client[database][SignOnLinkDocument.Settings.name]

    async def depart(self, visit: Visit) -> None:
        """Keep the visit; MongoDB removes it after its time."""
        with translated():
            await self._visits.insert_one(
                {
                    "_id": visit.state_hash,
                    "ticket_hash": visit.ticket_hash,
                    "nonce": visit.nonce,
                    "verifier": visit.verifier,
                    "expires_at": visit.expires_at,
                }
            )

    async def come_back(self, state_hash: str, ticket_hash: str, now: datetime) -> Visit | None:
        """The visit, which is taken out with the same command: of two who come, one has it."""
        which = {"_id": state_hash, "ticket_hash": ticket_hash, "expires_at": {"$gt": now}}
        with translated():
            found = await self._visits.find_one_and_delete(which)
        if found is None:
            return None
        return _to_visit(found)

    async def user_of(self, identity: Identity) -> str | None:
        """The id of the user this identity is."""
        with translated():
            found = await self._links.find_one({"_id": identity.key})
        return _user_of(found) if found else None

    async def link(self, identity: Identity, user_id: str, now: datetime) -> None:
        """Keep the link, unless there is one."""
        line = {
            "_id": identity.key,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "user_id": user_id,
            "created_at": now,
        }
        try:
            with translated():
                await self._links.insert_one(line)
        except DuplicateKeyError:
            return


@read_from(SignOnVisitDocument)
def _to_visit(fields: Fields) -> Visit:
    names = ("_id", "ticket_hash", "nonce", "verifier", "expires_at")
    return Visit(*(fields[name] for name in names))


@read_from(SignOnLinkDocument)
def _user_of(fields: Fields) -> str:
    return str(fields["user_id"])
