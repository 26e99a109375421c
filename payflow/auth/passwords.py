"""Passwords, hashed with argon2id off the event loop, two at a time per process."""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

# OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane; about 20 ms of one core
_HASHER = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
# Two at once: 38 MiB at most, and cores left for requests that hash nothing; the rest queues.
_POOL = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


async def hash_password(password: str) -> str:
    """The password's argon2id hash, with a salt of its own."""
    return await asyncio.get_running_loop().run_in_executor(
        _POOL, _HASHER.hash, _normalized(password)
    )


async def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password is the hashed one.

    None stands for a user who does not exist: never true, and it takes as long, since hashing
    costs what verifying does.
    """
    if password_hash is None:
        await hash_password(password)
        return False
    return await asyncio.get_running_loop().run_in_executor(
        _POOL, _HASHER.verify, _normalized(password), password_hash
    )


def _normalized(password: str) -> str:
    """One spelling per password, whatever keyboard typed it (NIST SP 800-63B §5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
