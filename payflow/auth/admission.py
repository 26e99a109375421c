"""Who may come in: with a good access token or API key, of an account that is still active.

The answer is remembered for a few seconds, so that a busy client costs one signature check and
one read in that time, and a deactivated one is out when it is over.
"""

import time
from dataclasses import dataclass
from typing import Any

from payflow.auth.api_keys import KEY_PREFIXES, KeyRing
from payflow.auth.tokens import AccessTokens
from payflow.domain.api_keys import Scope
from payflow.domain.errors import AccountDeactivated, NotFound, TokenInvalid
from payflow.domain.ports import Accounts, Clock
from payflow.domain.users import Principal, Role, User

REMEMBERED_FOR_S = 5.0  # how long another process's deactivation may go unnoticed here
REMEMBERED_TOKENS = 5_000  # about 5 MB; the oldest makes room


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller who was let in, and the session or key that is theirs.

    ``scopes`` are what an API key was made for; None is a person, who may do all that is theirs.
    """

    principal: Principal
    session_id: str
    scopes: tuple[Scope, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Remembered:
    visitor: Visitor
    until: float


class Admission:
    """Turns access tokens and API keys into visitors."""

    def __init__(
        self, tokens: AccessTokens, key_ring: KeyRing, accounts: Accounts, clock: Clock
    ) -> None:
        self._tokens = tokens
        self._key_ring = key_ring
        self._accounts = accounts
        self._clock = clock
        self._remembered: dict[str, _Remembered] = {}

    async def admit(self, token: str) -> Visitor:
        """The visitor who presents this token; the role is the account's, not the token's.

        Raises:
            TokenWrongType, TokenExpired, TokenInvalid, AccountDeactivated.
            ApiKeyInvalid, ApiKeyExpired, ApiKeyRevoked.
            BooksUnavailable: the account cannot be looked at.
        """
        remembered = self._remembered.get(token)
        if remembered is not None and time.monotonic() < remembered.until:
            return remembered.visitor
        return await self._look_up(token)

    def forget(self, user_id: str) -> None:
        """Look at the user's account again at the next request."""
        self._remembered = {
            token: known
            for token, known in self._remembered.items()
            if known.visitor.principal.user_id != user_id
        }

    @property
    def public_keys(self) -> list[dict[str, Any]]:
        """What others verify our access tokens with."""
        return self._tokens.public_keys

    async def _look_up(self, token: str) -> Visitor:
        self._remembered.pop(token, None)
        by_key = token.startswith(KEY_PREFIXES)
        visitor, until = await (self._by_key(token) if by_key else self._by_token(token))
        self._remember(token, visitor, until)
        return visitor

    async def _by_token(self, token: str) -> tuple[Visitor, float]:
        access = self._tokens.verify(token)
        user = await self._account(access.user_id)
        return Visitor(Principal(user.id, user.role), access.session_id), access.expires_at

    async def _by_key(self, text: str) -> tuple[Visitor, float]:
        """Whose key it is, without what they may do as an operator: programs repair nothing."""
        key = await self._key_ring.open(text)
        user = await self._account(key.owner_id)
        visitor = Visitor(Principal(user.id, Role.USER), key.id, key.scopes)
        return visitor, key.expires_at.timestamp()

    async def _account(self, user_id: str) -> User:
        try:
            user = await self._accounts.get(user_id)
        except NotFound:
            raise TokenInvalid from None
        if not user.active:
            raise AccountDeactivated
        return user

    def _remember(self, token: str, visitor: Visitor, expires_at: float) -> None:
        while len(self._remembered) >= REMEMBERED_TOKENS:
            del self._remembered[next(iter(self._remembered))]
        left_s = expires_at - self._clock.now().timestamp()
        until = time.monotonic() + min(REMEMBERED_FOR_S, left_s)
        self._remembered[token] = _Remembered(visitor, until)
