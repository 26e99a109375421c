"""Who may come in: a good access token of an account that is still active.

The answer is remembered for a few seconds, so that a busy client costs one signature check and
one read in that time, and a deactivated one is out when it is over.
"""

import time
from dataclasses import dataclass

from payflow.auth.tokens import AccessTokens
from payflow.domain.errors import AccountDeactivated, NotFound, TokenInvalid
from payflow.domain.ports import Accounts, Clock
from payflow.domain.users import Principal

REMEMBERED_FOR_S = 5.0  # how long another process's deactivation may go unnoticed here
REMEMBERED_TOKENS = 5_000  # about 5 MB; the oldest makes room


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller who was let in, and the session the token belongs to."""

    principal: Principal
    session_id: str


@dataclass(frozen=True, slots=True)
class _Remembered:
    visitor: Visitor
    until: float


class Admission:
    """Turns access tokens into visitors."""

    def __init__(self, tokens: AccessTokens, accounts: Accounts, clock: Clock) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._clock = clock
        self._remembered: dict[str, _Remembered] = {}

    async def admit(self, token: str) -> Visitor:
        """The visitor who presents this token; the role is the account's, not the token's.

        Raises:
            TokenWrongType, TokenExpired, TokenInvalid, AccountDeactivated.
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

    async def _look_up(self, token: str) -> Visitor:
        self._remembered.pop(token, None)
        access = self._tokens.verify(token)
        try:
            user = await self._accounts.get(access.user_id)
        except NotFound:
            raise TokenInvalid from None
        if not user.active:
            raise AccountDeactivated
        visitor = Visitor(Principal(user.id, user.role), access.session_id)
        self._remember(token, visitor, access.expires_at)
        return visitor

    def _remember(self, token: str, visitor: Visitor, expires_at: float) -> None:
        while len(self._remembered) >= REMEMBERED_TOKENS:
            del self._remembered[next(iter(self._remembered))]
        left_s = expires_at - self._clock.now().timestamp()
        until = time.monotonic() + min(REMEMBERED_FOR_S, left_s)
        self._remembered[token] = _Remembered(visitor, until)
