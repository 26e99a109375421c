"""Accounts, API keys and sessions, read by id for many callers at once."""

import asyncio
from collections.abc import Collection
from typing import Any

from payflow.domain.access import AccessState
from payflow.domain.identifiers import Prefix
from payflow.domain.users import Role
from payflow.storage.access_documents import ApiKeyDocument, RefreshTokenDocument
from payflow.storage.documents import UserDocument
from payflow.storage.transactions import Collection as Documents
from payflow.storage.transactions import translated

_ROLES = {role.value: role for role in Role}
_IS_KEY = f"{Prefix.API_KEY}_"


class MongoAccessRecords:
    """The ``AccessRecords`` port over the Beanie documents."""

    async def read(self, user_ids: Collection[str], session_ids: Collection[str]) -> AccessState:
        """The state of these users, sessions and API keys; the queries run side by side."""
        keys = sorted(one for one in session_ids if one.startswith(_IS_KEY))
        families = sorted(set(session_ids).difference(keys))
        with translated():
            users, revoked_keys, revoked_families = await asyncio.gather(
                _found(
                    UserDocument.get_pymongo_collection(),
                    {"_id": {"$in": sorted(user_ids)}},
                    {"role": 1, "active": 1},
                ),
                _values(
                    ApiKeyDocument.get_pymongo_collection(),
                    "_id",
                    {"_id": {"$in": keys}, "revoked_at": {"$ne": None}},
                    keys,
                ),
                # revoking writes every token of a family, so one of them tells of all
                _values(
                    RefreshTokenDocument.get_pymongo_collection(),
                    "family_id",
                    {"family_id": {"$in": families}, "revoked": True},
                    families,
                ),
            )
        return AccessState(
            roles={one["_id"]: _ROLES[one["role"]] for one in users if one.get("role") in _ROLES},
            deactivated=frozenset(one["_id"] for one in users if not one.get("active")),
            revoked=revoked_keys | revoked_families,
        )


async def _found(
    kept: Documents, query: dict[str, Any], fields: dict[str, int]
) -> list[dict[str, Any]]:
    return await kept.find(query, fields).to_list()


async def _values(
    kept: Documents, field: str, query: dict[str, Any], wanted: Collection[str]
) -> frozenset[str]:
    """The values of a field among the documents found; nothing is asked about nothing."""
    return frozenset(await kept.distinct(field, query)) if wanted else frozenset()
