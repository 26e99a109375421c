"""The errors by which Redis is away; whoever uses it goes on without it when it meets one."""

from redis.exceptions import RedisError

# RuntimeError is uvloop's word for a connection that was reset while it lay in the pool ("the
# handler is closed"), where asyncio's own loop raises ConnectionResetError. The client drops the
# connection whatever is raised, so the next question opens another. AttributeError is what asyncio
# of Python 3.13 raises in `writelines` on such a connection: its transport has no loop any more.
REDIS_AWAY = (RedisError, OSError, TimeoutError, RuntimeError, AttributeError)
