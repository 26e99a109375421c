"""Whether MongoDB and Redis answer: what readiness is made of."""

from redis.asyncio import Redis

from payflow.domain.ports import DependencyBlocked
from payflow.storage.blocked_reads import BlockedReads
from payflow.storage.transactions import Client


class MongoProbe:
    """Asks MongoDB for a primary."""

    name = "mongo"

    def __init__(self, client: Client, reads: BlockedReads) -> None:
        self._client = client
        self._reads = reads

    async def check(self) -> None:
        """Return when a primary answered."""
        if self._reads.are_blocked:
            raise DependencyBlocked
        await self._client.admin.command("ping")


class RedisProbe:
    """Asks Redis for a PONG."""

    name = "redis"

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def check(self) -> None:
        """Return when Redis answered."""
        await self._redis.ping()
