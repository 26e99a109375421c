"""Which peers look like a proxy that is not named in the settings, for the doctor to read.

API processes note them in Redis: a note that is lost with it is made again within the hour.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from redis.asyncio import Redis

from payflow.storage.redis_away import REDIS_AWAY

KEPT_S = 86_400  # after a day without a further note the proxy is named, or is no more


class UntrustedProxies:
    """The notes of one database's API processes."""

    def __init__(self, redis: Redis, database: str) -> None:
        self._redis = redis
        self._key = f"{database}:untrusted_proxies"

    async def note(self, peer: str, at: datetime) -> None:
        """Note the peer; without Redis nothing is noted."""
        with suppress(*REDIS_AWAY):
            await self._redis.hset(self._key, peer, str(at.timestamp()))
            await self._redis.expire(self._key, KEPT_S)

    async def noted(self) -> Mapping[str, datetime]:
        """The peers, and when each was last noted; none where Redis does not answer."""
        try:
            found = await self._redis.hgetall(self._key)
        except REDIS_AWAY:
            return {}
        return {_text(peer): datetime.fromtimestamp(float(at), UTC) for peer, at in found.items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
