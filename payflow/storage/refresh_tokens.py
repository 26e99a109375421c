"""Refresh tokens by their SHA-256, in ``refresh_tokens``.

Spending and revoking both write the token they concern, so the database lets only one of two at
the same moment pass: a token is spent once, and no successor slips out of a revoked family.
"""

from typing import Any

from pymongo import DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.users import RefreshToken
from payflow.storage.access_documents import RefreshTokenDocument
from payflow.storage.reading import Fields, read_from
from payflow.storage.transactions import Client, in_transaction, translated


class MongoRefreshTokens:
    """The ``RefreshTokens`` port over the Beanie documents."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, token: RefreshToken, *, keep: int) -> None:
        """Store a new, unspent token; of its user's families only the latest ``keep`` stay."""
        live = {"user_id": token.user_id, "spent": False, "revoked": False}
        with translated():
            await _document(token).insert()
            older = RefreshTokenDocument.get_pymongo_collection().find(
                live, {"family_id": 1}, sort=[("created_at", DESCENDING)], skip=keep
            )
            ended = [fields["family_id"] for fields in await older.to_list()]
        if ended:
            await self._revoke({"family_id": {"$in": ended}})

    async def spend(self, token_hash: str, successor: RefreshToken) -> RefreshToken | None:
        """Spend a token that is good when its successor begins, in one transaction."""
        good = {
            "_id": token_hash,
            "spent": False,
            "revoked": False,
            "expires_at": {"$gt": successor.created_at},
        }

        async def write(session: AsyncClientSession) -> RefreshToken | None:
            fields = await RefreshTokenDocument.get_pymongo_collection().find_one_and_update(
                good, {"$set": {"spent": True}}, session=session
            )
            if fields is None:
                return None
            spent = _token(fields)
            following = _document(successor)
            following.family_id, following.user_id = spent.family_id, spent.user_id
            await following.insert(session=session)
            return spent

        return await in_transaction(self._client, write)

    async def find(self, token_hash: str) -> tuple[RefreshToken, bool, bool] | None:
        """The token, whether it is spent, whether its family is revoked."""
        with translated():
            fields = await RefreshTokenDocument.get_pymongo_collection().find_one(
                {"_id": token_hash}
            )
        return (_token(fields), fields["spent"], fields["revoked"]) if fields else None

    async def revoke_family(self, family_id: str) -> None:
        """No token of the family is good any more."""
        await self._revoke({"family_id": family_id})

    async def revoke_user(self, user_id: str, *, keep_family: str | None = None) -> None:
        """Revoke all families of a user, but one."""
        await self._revoke({"user_id": user_id, "family_id": {"$ne": keep_family}})

    async def _revoke(self, which: dict[str, Any]) -> None:
        async def write(session: AsyncClientSession) -> None:
            await RefreshTokenDocument.get_pymongo_collection().update_many(
                {**which, "revoked": False}, {"$set": {"revoked": True}}, session=session
            )

        await in_transaction(self._client, write)


def _document(token: RefreshToken) -> RefreshTokenDocument:
    return RefreshTokenDocument(
        id=token.token_hash,
        family_id=token.family_id,
        user_id=token.user_id,
        spent=False,
        revoked=False,
        created_at=token.created_at,
        expires_at=token.expires_at,
    )


@read_from(RefreshTokenDocument)
def _token(fields: Fields) -> RefreshToken:
    return RefreshToken(
        token_hash=fields["_id"],
        family_id=fields["family_id"],
        user_id=fields["user_id"],
        expires_at=fields["expires_at"],
        created_at=fields["created_at"],
    )
