"""Passwords, hashed with argon2id off the event loop, a few at a time."""

import asyncio
import unicodedata

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

# OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane; about 20 ms of one core
_MEMORY_KIB = 19_456
_PASSES = 2
_LANES = 1
_AT_ONCE = 2  # bounds memory (2 x 19 MiB) and keeps cores free for requests that need no hash


class Passwords:
    """Hashes and verifies; callers beyond the first two wait their turn."""

    def __init__(self) -> None:
        self._hasher = PasswordHash((Argon2Hasher(_PASSES, _MEMORY_KIB, _LANES),))
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._nobody = self._hasher.hash("the password of nobody")

    async def hash_password(self, password: str) -> str:
        """The password's argon2id hash, with a salt of its own."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, _normal(password))

    async def verify_password(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is the hashed one; None (no such user) costs as much and is not."""
        stored = password_hash or self._nobody
        async with self._turns:
            matches = await asyncio.to_thread(self._hasher.verify, _normal(password), stored)
        return matches and password_hash is not None


def _normal(password: str) -> str:
    """One spelling per password, whatever keyboard typed it (NIST SP 800-63B §5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
