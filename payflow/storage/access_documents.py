"""Access as Beanie documents: API keys, refresh tokens, and the hash chain of the audit log."""

from datetime import datetime
from typing import ClassVar

from beanie import Document
from pymongo import ASCENDING, DESCENDING, IndexModel

from payflow.domain.api_keys import Scope
from payflow.storage.stored import StoredDocument


class ApiKeyDocument(StoredDocument):
    """An API key under the SHA-256 of its text; the text itself is never stored."""

    key_hash: str
    owner_id: str
    name: str
    hint: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    class Settings:
        """Collection and indexes."""

        name = "api_keys"
        indexes: ClassVar = [
            IndexModel([("key_hash", ASCENDING)], name="key_hash", unique=True),
            IndexModel([("owner_id", ASCENDING), ("_id", DESCENDING)], name="owner_newest"),
        ]


class RefreshTokenDocument(StoredDocument):
    """A refresh token under its SHA-256; the token itself is never stored."""

    family_id: str
    user_id: str
    spent: bool
    revoked: bool
    created_at: datetime
    expires_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "refresh_tokens"
        indexes: ClassVar = [
            # a family's tokens, and whether one of them is revoked
            IndexModel([("family_id", ASCENDING), ("revoked", ASCENDING)], name="family_revoked"),
            IndexModel([("user_id", ASCENDING)], name="user"),
            # a user's live sessions, of each the token that is not spent
            IndexModel(
                [("user_id", ASCENDING), ("created_at", DESCENDING)],
                name="user_live",
                partialFilterExpression={"spent": False, "revoked": False},
            ),
            IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
        ]


class AuditLinkDocument(Document):
    """One link of the chain over the audit log: how a line stood once it was written.

    ``_id`` is the link's place, from 1 on without a gap. A line that is completed later has two
    links; the last one seals it as it stands.
    """

    id: int  # type: ignore[assignment]  # a place, not Beanie's ObjectId
    act_id: str
    digest: str
    previous: str
    hash: str

    class Settings:
        """Collection and indexes."""

        name = "audit_chain"
        indexes: ClassVar = [IndexModel([("act_id", ASCENDING)], name="act")]
