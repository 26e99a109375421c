"""Sign-up, sign-in and the sessions after it: one family of rotating refresh tokens per login."""

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from payflow.auth.admission import Visitor
from payflow.auth.passwords import hash_password, verify_password
from payflow.auth.throttle import LoginThrottle
from payflow.auth.tokens import REFRESH_TOKEN_PREFIX, AccessTokens
from payflow.domain.errors import (
    AccountDeactivated,
    InvalidCredentials,
    RefreshTokenExpired,
    RefreshTokenInvalid,
    RefreshTokenReused,
    RefreshTokenRevoked,
)
from payflow.domain.limits import Quotas
from payflow.domain.ports import Accounts, Clock, NewUser, RefreshTokens
from payflow.domain.users import Principal, RefreshToken, User
from payflow.domain.wallets import Wallet
from payflow.settings import Settings

# Sessions of one user; a further sign-in ends the one that was refreshed longest ago.
MAX_SESSIONS = 100
_TOKEN_BYTES = 32
_FORM = re.compile(REFRESH_TOKEN_PREFIX + r"[A-Za-z0-9_-]{43}")  # base64url of 32 bytes


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client keeps: the access token for now, the refresh token for later."""

    access_token: str
    refresh_token: str
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class Registration:
    """A new user with a first wallet, signed in."""

    user: User
    wallet: Wallet
    tokens: TokenPair


@dataclass(frozen=True, slots=True)
class SignUp:
    """A registration as the client sent it, checked in form; ``email`` is lower case."""

    email: str
    password: str
    name: str
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeOfPassword:
    """The password somebody has, the one they want, and the address they ask from."""

    current: str
    new: str
    address: str


class Sessions:
    """Starts, continues and ends sessions."""

    def __init__(  # all it needs, once
        self,
        accounts: Accounts,
        refresh_tokens: RefreshTokens,
        access_tokens: AccessTokens,
        clock: Clock,
        quotas: Quotas,
        settings: Settings,
    ) -> None:
        self._accounts = accounts
        self._refresh_tokens = refresh_tokens
        self._access_tokens = access_tokens
        self._clock = clock
        self._throttle = LoginThrottle(quotas, settings.quota("logins"))
        self._refresh_ttl = timedelta(seconds=settings.refresh_token_ttl_s)
        self._default_currency = settings.default_currency

    async def register(self, sign_up: SignUp) -> Registration:
        """A new user with a wallet of the default currency, signed in, or ``EmailTaken``."""
        new = NewUser(
            email=sign_up.email,
            password_hash=await hash_password(sign_up.password),
            name=sign_up.name,
            phone=sign_up.phone,
        )
        user, wallet = await self._accounts.register(new, self._default_currency)
        return Registration(user, wallet, await self.begin(user))

    async def login(self, email: str, password: str, address: str) -> TokenPair:
        """A new session, for somebody who asks from that address.

        Raises:
            InvalidCredentials: no such address, or not its password; both take as long.
            AccountDeactivated: both were right.
            RateLimited: too many were wrong, for that account from that address.
        """
        async with self._throttle.attempt(email, address):
            user = await self._accounts.find_by_email(email)
            stored = await self._accounts.password_hash(user.id) if user else None
            if not await verify_password(password, stored) or user is None:
                raise InvalidCredentials
        if not user.active:
            raise AccountDeactivated
        return await self.begin(user)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Spend the token and go on with its successor.

        Raises:
            RefreshTokenInvalid, RefreshTokenExpired, RefreshTokenRevoked, AccountDeactivated.
            RefreshTokenReused: it was spent before; its whole family is revoked now.
        """
        token_hash = _hash_of(refresh_token)
        successor_token = _new_token()
        successor = self._stored(successor_token, family_id="", user_id="")
        spent = await self._refresh_tokens.spend(token_hash, successor)
        if spent is None:
            raise await self._why_not_spendable(token_hash)
        user = await self._accounts.get(spent.user_id)
        if not user.active:
            raise AccountDeactivated
        return self._pair(user, successor_token, spent.family_id)

    async def logout(self, principal: Principal, refresh_token: str) -> None:
        """End the session the token belongs to; one that is not the caller's changes nothing."""
        try:
            found = await self._refresh_tokens.find(_hash_of(refresh_token))
        except RefreshTokenInvalid:
            return
        if found is not None and found[0].user_id == principal.user_id:
            await self._refresh_tokens.revoke_family(found[0].family_id)

    async def change_password(self, visitor: Visitor, change: ChangeOfPassword) -> None:
        """Replace the password and end all sessions but this one.

        Raises:
            InvalidCredentials: the current one is another.
            RateLimited: too many were wrong; a stolen access token is no way to guess either.
        """
        user_id = visitor.principal.user_id
        async with self._throttle.attempt(user_id, change.address):
            stored = await self._accounts.password_hash(user_id)
            if not await verify_password(change.current, stored):
                raise InvalidCredentials
        await self._accounts.set_password_hash(user_id, await hash_password(change.new))
        await self._refresh_tokens.revoke_user(user_id, keep_family=visitor.session_id)

    async def end_all(self, user_id: str) -> None:
        """End every session of a user."""
        await self._refresh_tokens.revoke_user(user_id)

    async def begin(self, user: User) -> TokenPair:
        """A session of somebody who has shown who they are, and is active."""
        token = _new_token()
        family_id = secrets.token_hex(16)
        stored = self._stored(token, family_id=family_id, user_id=user.id)
        await self._refresh_tokens.add(stored, keep=MAX_SESSIONS)
        return self._pair(user, token, family_id)

    async def _why_not_spendable(self, token_hash: str) -> Exception:
        found = await self._refresh_tokens.find(token_hash)
        if found is None:
            return RefreshTokenInvalid()
        token, spent, revoked = found
        if spent:
            await self._refresh_tokens.revoke_family(token.family_id)
            return RefreshTokenReused()
        return RefreshTokenRevoked() if revoked else RefreshTokenExpired()

    def _stored(self, token: str, *, family_id: str, user_id: str) -> RefreshToken:
        now = self._clock.now()
        return RefreshToken(_hash_of(token), family_id, user_id, now + self._refresh_ttl, now)

    def _pair(self, user: User, refresh_token: str, family_id: str) -> TokenPair:
        access_token = self._access_tokens.issue(user, family_id)
        return TokenPair(access_token, refresh_token, self._access_tokens.ttl_s)


def _new_token() -> str:
    return REFRESH_TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def _hash_of(token: str) -> str:
    """What is stored instead of the token; 256 random bits need no salt."""
    if not _FORM.fullmatch(token):
        raise RefreshTokenInvalid
    return sha256(token.encode()).hexdigest()
