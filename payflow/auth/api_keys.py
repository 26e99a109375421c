"""API keys as text: made, told from a typing mistake by a checksum, and looked up by a hash.

``pf_live_`` or ``pf_test_``, 30 random characters (178 bits) and six of a CRC-32 over all before
them, in base 62: the form GitHub gave its tokens, so that a scanner of leaked secrets knows one
when it sees it, and we refuse what nobody made without asking the database.
"""

import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from zlib import crc32

from payflow.domain.api_keys import (
    ApiKey,
    ApiKeyExpired,
    ApiKeyExpiryInvalid,
    ApiKeyInvalid,
    ApiKeyRevoked,
    ApiKeys,
    Scope,
)
from payflow.domain.ports import Clock
from payflow.domain.users import Principal
from payflow.settings import Environment, Settings

KEY_PREFIXES = ("pf_live_", "pf_test_")
MAX_KEYS = 50  # of one user
LIVES = timedelta(days=90)  # unless its maker says otherwise
LIVES_AT_MOST = timedelta(days=366)

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 30
_CHECKSUM = 6
_HINT = 12  # pf_live_ and four characters


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key somebody asks for, checked in form."""

    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None = None


class KeyRing:
    """Makes keys and tells whose one is."""

    def __init__(self, keys: ApiKeys, clock: Clock, settings: Settings) -> None:
        self._keys = keys
        self._clock = clock
        self._prefix = KEY_PREFIXES[settings.env is not Environment.PRODUCTION]

    async def make(self, viewer: Principal, wanted: NewApiKey) -> tuple[ApiKey, str]:
        """A new key and its text, which nobody can be shown again.

        Raises:
            ApiKeyExpiryInvalid, ApiKeyLimitReached.
        """
        now = self._clock.now()
        expires_at = wanted.expires_at or now + LIVES
        if not now < expires_at <= now + LIVES_AT_MOST:
            raise ApiKeyExpiryInvalid(LIVES_AT_MOST.days)
        text = new_key(self._prefix)
        key = ApiKey(
            id=self._keys.new_id(now),
            owner_id=viewer.user_id,
            name=wanted.name,
            hint=text[:_HINT],
            scopes=wanted.scopes,
            created_at=now,
            expires_at=expires_at,
        )
        await self._keys.add(key, _hash_of(text), MAX_KEYS)
        return key, text

    async def open(self, text: str) -> ApiKey:
        """The good key that is shown.

        Raises:
            ApiKeyInvalid, ApiKeyExpired, ApiKeyRevoked.
            BooksUnavailable: it cannot be looked up.
        """
        if not is_whole(text):
            raise ApiKeyInvalid("is not whole: its checksum differs")
        if not text.startswith(self._prefix):
            raise ApiKeyInvalid(f"is for another environment; here they begin with {self._prefix}")
        key = await self._keys.find(_hash_of(text))
        if key is None:
            raise ApiKeyInvalid
        if key.revoked_at is not None:
            raise ApiKeyRevoked
        now = self._clock.now()
        if key.expires_at <= now:
            raise ApiKeyExpired
        await self._keys.used(key, now)
        return key


def new_key(prefix: str) -> str:
    """A fresh key's text."""
    body = prefix + "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM))
    return body + _checksum(body)


def is_whole(text: str) -> bool:
    """Whether it has the form of a key, checksum included; says nothing of who made it."""
    body, checksum = text[:-_CHECKSUM], text[-_CHECKSUM:]
    random = body[len(KEY_PREFIXES[0]) :]
    return (
        text.startswith(KEY_PREFIXES)
        and len(random) == _RANDOM
        and set(random) <= set(_DIGITS)
        and _checksum(body) == checksum
    )


def _checksum(body: str) -> str:
    number = crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _hash_of(text: str) -> str:
    """What is stored instead of the key; 178 random bits need no salt and no slow hash."""
    return sha256(text.encode()).hexdigest()
