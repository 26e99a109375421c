"""Admits callers with a good access token or API key, of an account that is still active.

The result is remembered for a few seconds, so that a busy client costs one signature check and
one read in that time. A caller that is deactivated or revoked is refused when it is over. Streams
and waits that stay open are checked again with ``refusals``, all of a process at once.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from payflow.auth.api_keys import KEY_PREFIXES, KeyRing
from payflow.auth.tokens import AccessTokens
from payflow.domain.access import AccessRecords, AccessState, RoleChanged
from payflow.domain.api_keys import ApiKeyExpired, ApiKeyRevoked, Scope
from payflow.domain.errors import (
    AccountDeactivated,
    PayflowError,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
)
from payflow.domain.ports import Clock
from payflow.domain.users import Principal, Role

# Another process's deactivation goes unnoticed here for so long. A stream may begin at the end of
# it and is checked 2 s later at the latest: with both it ends within 5 s.
REMEMBERED_FOR_S = 2.5
REMEMBERED_TOKENS = 5_000  # about 5 MB; the oldest makes room


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller who was let in, and the session or key that is theirs.

    ``expires_at`` is when the token or key ends, in seconds since 1970. ``scopes`` are what an
    API key was made for; None is a person, who may do all that is theirs.
    """

    principal: Principal
    session_id: str
    expires_at: float
    scopes: tuple[Scope, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Remembered:
    visitor: Visitor
    until: float


class Admission:
    """Turns access tokens and API keys into visitors."""

    def __init__(
        self, tokens: AccessTokens, key_ring: KeyRing, records: AccessRecords, clock: Clock
    ) -> None:
        self._tokens = tokens
        self._key_ring = key_ring
        self._records = records
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
        self._forget({user_id})

    @property
    def public_keys(self) -> list[dict[str, Any]]:
        """What others verify our access tokens with."""
        return self._tokens.public_keys

    async def refusals(self, visitors: Collection[Visitor]) -> Mapping[Visitor, PayflowError]:
        """Why some of these visitors may not go on, read for all of them at once.

        Sessions are read too: one that was ended ends its streams before its access token expires.

        Raises:
            BooksUnavailable: MongoDB does not answer; nothing is known.
        """
        state = await self._records.read(
            {one.principal.user_id for one in visitors}, {one.session_id for one in visitors}
        )
        found = {one: self._refusal(one, state) for one in visitors}
        refusals = {one: why for one, why in found.items() if why is not None}
        self._forget({one.principal.user_id for one in refusals})
        return refusals

    def expired(self, visitor: Visitor) -> PayflowError | None:
        """The error once the visitor's token or key has ended; needs no read."""
        if self._clock.now().timestamp() < visitor.expires_at:
            return None
        return TokenExpired() if visitor.scopes is None else ApiKeyExpired()

    async def _look_up(self, token: str) -> Visitor:
        self._remembered.pop(token, None)
        by_key = token.startswith(KEY_PREFIXES)
        visitor = await (self._by_key(token) if by_key else self._by_token(token))
        self._remember(token, visitor)
        return visitor

    async def _by_token(self, token: str) -> Visitor:
        """The role is the account's, not the token's; the session is not read: it may have ended.

        An access token is short-lived so that a request need not ask for its session.
        """
        access = self._tokens.verify(token)
        state = await self._records.read([access.user_id], [])
        role = state.roles.get(access.user_id, access.role)
        principal = Principal(access.user_id, role)
        visitor = Visitor(principal, access.session_id, access.expires_at)
        return self._checked(visitor, state)

    async def _by_key(self, text: str) -> Visitor:
        """Whose key it is, without what they may do as an operator: programs repair nothing."""
        key = await self._key_ring.open(text)
        state = await self._records.read([key.owner_id], [])
        principal = Principal(key.owner_id, Role.USER)
        visitor = Visitor(principal, key.id, key.expires_at.timestamp(), key.scopes)
        return self._checked(visitor, state)

    def _checked(self, visitor: Visitor, state: AccessState) -> Visitor:
        refusal = self._refusal(visitor, state)
        if refusal is not None:
            raise refusal
        return visitor

    def _refusal(self, visitor: Visitor, state: AccessState) -> PayflowError | None:
        user_id, is_key = visitor.principal.user_id, visitor.scopes is not None
        if user_id not in state.roles:
            return TokenInvalid()
        if user_id in state.deactivated:
            return AccountDeactivated()
        if visitor.session_id in state.revoked:
            return ApiKeyRevoked() if is_key else TokenRevoked()
        if not is_key and state.roles[user_id] is not visitor.principal.role:
            return RoleChanged()
        return self.expired(visitor)

    def _forget(self, user_ids: Collection[str]) -> None:
        if user_ids:
            self._remembered = {
                token: known
                for token, known in self._remembered.items()
                if known.visitor.principal.user_id not in user_ids
            }

    def _remember(self, token: str, visitor: Visitor) -> None:
        while len(self._remembered) >= REMEMBERED_TOKENS:
            del self._remembered[next(iter(self._remembered))]
        left_s = visitor.expires_at - self._clock.now().timestamp()
        until = time.monotonic() + min(REMEMBERED_FOR_S, left_s)
        self._remembered[token] = _Remembered(visitor, until)
