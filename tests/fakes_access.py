"""API keys in memory: the same rules as in the database."""

from dataclasses import replace
from datetime import datetime

from payflow.domain.api_keys import ApiKey, ApiKeyLimitReached
from payflow.domain.errors import NotFound
from payflow.domain.ports import Page
from payflow.domain.repair_ports import OperatorAct
from payflow.domain.users import Principal


class KeysInMemory:
    """``ApiKeys`` in a process."""

    def __init__(self) -> None:
        self.kept: dict[str, ApiKey] = {}

    def new_id(self, at: datetime) -> str:
        return f"key_{len(self.kept)}"

    async def add(self, key: ApiKey, key_hash: str, limit: int) -> None:
        good = [
            one
            for one in self.kept.values()
            if one.owner_id == key.owner_id
            and one.revoked_at is None
            and one.expires_at > key.created_at
        ]
        if len(good) >= limit:
            raise ApiKeyLimitReached(limit)
        self.kept[key_hash] = key

    async def find(self, key_hash: str) -> ApiKey | None:
        return self.kept.get(key_hash)

    async def used(self, key: ApiKey, at: datetime) -> None:
        self._replace(replace(key, last_used_at=at))

    async def get(self, key_id: str, viewer: Principal) -> ApiKey:
        for key in self.kept.values():
            if key.id == key_id and (viewer.is_operator or key.owner_id == viewer.user_id):
                return key
        raise NotFound("api_key", key_id)

    async def list(self, viewer: Principal, *, limit: int, after: str | None) -> Page[ApiKey]:
        own = [key for key in self.kept.values() if key.owner_id == viewer.user_id]
        return Page(sorted(own, key=lambda key: key.id, reverse=True)[:limit])

    async def revoke(
        self, key_id: str, viewer: Principal, at: datetime, act: OperatorAct | None = None
    ) -> ApiKey:
        key = await self.get(key_id, viewer)
        revoked = replace(key, revoked_at=key.revoked_at or at)
        self._replace(revoked)
        return revoked

    def _replace(self, key: ApiKey) -> None:
        self.kept = {
            key_hash: key if one.id == key.id else one for key_hash, one in self.kept.items()
        }
