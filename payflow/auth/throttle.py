"""Guessing passwords is slow: so many wrong ones for an account from an address, then none.

Attempts for the same account from the same address take turns, so a hundred at once learn no more
than a hundred in a row; a second process lets at most one more through.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from payflow.domain.errors import InvalidCredentials
from payflow.domain.limits import Quota, Quotas, RateLimited


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class LoginThrottle:
    """Counts wrong passwords; a right one makes up for them."""

    def __init__(self, quotas: Quotas, quota: Quota | None) -> None:
        self._quotas = quotas
        self._quota = quota
        self._turns: dict[str, _Turn] = {}

    @asynccontextmanager
    async def attempt(self, account: str, address: str) -> AsyncIterator[None]:
        """Around one look at a password, which raises ``InvalidCredentials`` when it is wrong.

        Raises:
            RateLimited: before the look or instead of the error, once too many were wrong.
        """
        if self._quota is None:
            yield
            return
        # what is kept names neither the account nor the address
        key = sha256(f"{account}\0{address}".encode()).hexdigest()
        async with self._turn(key):
            verdict = await self._quotas.look(self._quota, key)
            if not verdict.passed:
                raise RateLimited(verdict)
            try:
                yield
            except InvalidCredentials:
                counted = await self._quotas.take(self._quota, key)
                if not counted.passed:
                    raise RateLimited(counted) from None
                raise
            if verdict.remaining < self._quota.amount:
                await self._quotas.forget(self._quota, key)

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[key]
