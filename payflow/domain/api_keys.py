"""API keys: what programs show instead of a session, and the little each of them may do.

AuthenticationFailed
├── ApiKeyInvalid, ApiKeyExpired, ApiKeyRevoked
PayflowError
└── ScopeRequired               the key is known, and was not made for this
Refused
└── ApiKeyExpiryInvalid
Conflict
└── ApiKeyLimitReached          one user, so many keys
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from payflow.domain.errors import AuthenticationFailed, Conflict, PayflowError, Refused
from payflow.domain.ports import Page
from payflow.domain.repair_ports import OperatorAct
from payflow.domain.users import Principal


class Scope(StrEnum):
    """What a key may do; to write does not mean to read."""

    TRANSFERS_READ = "transfers:read"
    TRANSFERS_WRITE = "transfers:write"
    WALLETS_READ = "wallets:read"
    WALLETS_WRITE = "wallets:write"
    BATCHES_READ = "batches:read"
    BATCHES_WRITE = "batches:write"
    EVENTS_READ = "events:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without what it opens with: that is shown once and stored as a hash.

    ``hint`` is how it begins, enough to find it in a program's configuration.
    """

    id: str
    owner_id: str
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class ApiKeys(Protocol):
    """Keys by their owner, and by the SHA-256 of what a program shows."""

    def new_id(self, at: datetime) -> str:
        """A fresh id for a key made at that moment."""
        ...

    async def add(self, key: ApiKey, key_hash: str, limit: int) -> None:
        """Keep a new key, or ``ApiKeyLimitReached``: revoked and expired ones do not count."""
        ...

    async def find(self, key_hash: str) -> ApiKey | None:
        """The key that is shown."""
        ...

    async def used(self, key: ApiKey, at: datetime) -> None:
        """Note that it was shown; to the minute, and only as far as that costs nothing."""
        ...

    async def get(self, key_id: str, viewer: Principal) -> ApiKey:
        """Read one, if the viewer owns it or is an operator; else ``NotFound``."""
        ...

    async def list(self, viewer: Principal, *, limit: int, after: str | None) -> Page[ApiKey]:
        """The viewer's own keys, revoked ones too, newest first."""
        ...

    async def revoke(
        self, key_id: str, viewer: Principal, at: datetime, act: OperatorAct | None = None
    ) -> ApiKey:
        """Let one's own key (an operator: any) open nothing any more; else ``NotFound``.

        One's own, and one that is revoked already, is no act of an operator.
        """
        ...


class ApiKeyInvalid(AuthenticationFailed):
    """No such key was given out, or not for this environment."""

    code = "api_key_invalid"

    def __init__(self, why: str = "is not one that we gave out") -> None:
        super().__init__(f"The API key {why}.")


class ApiKeyExpired(AuthenticationFailed):
    """The key's time is over."""

    code = "api_key_expired"

    def __init__(self) -> None:
        super().__init__("The API key has expired; make a new one.")


class ApiKeyRevoked(AuthenticationFailed):
    """The key was revoked."""

    code = "api_key_revoked"

    def __init__(self) -> None:
        super().__init__("The API key was revoked; make a new one.")


class ScopeRequired(PayflowError):
    """The key is good, and was not made for this call."""

    code = "scope_required"

    def __init__(self, scope: Scope | None) -> None:
        needs = f"needs the scope {scope}" if scope else "is for signed-in people, not for API keys"
        super().__init__(f"This call {needs}.")


class ApiKeyExpiryInvalid(Refused):
    """The key would end before it begins, or live too long."""

    code = "api_key_expiry_invalid"
    field = "expires_at"

    def __init__(self, days: int) -> None:
        super().__init__(f"expires_at must lie in the future, at most {days} days ahead.")


class ApiKeyLimitReached(Conflict):
    """The user has as many keys as one may have."""

    code = "api_key_limit_reached"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A user has at most {limit} API keys that open something; revoke one.")


def names_of(scopes: Sequence[Scope]) -> list[str]:
    """The scopes as they are written."""
    return [scope.value for scope in scopes]
