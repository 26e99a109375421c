"""Operators sign in with a provider: sent there, taken back once, known by issuer and subject."""

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from payflow.auth.oidc import OidcProvider, refusal
from payflow.auth.passwords import hash_password
from payflow.auth.sessions import Sessions, TokenPair
from payflow.domain.errors import AccountDeactivated, EmailTaken, PayflowError
from payflow.domain.ports import Accounts, Clock
from payflow.domain.repair_ports import AuditLog, OperatorAct
from payflow.domain.sign_on import (
    Identity,
    SignOnEmailUnverified,
    SignOnNotOperator,
    SignOnOff,
    SignOns,
    SignOnStateInvalid,
    SignOnTokenInvalid,
    Visit,
)
from payflow.domain.users import Role, User
from payflow.settings import Settings

VISIT_S = 600  # time for a password and a second factor
VERB = "sign_in"
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the ticket it keeps until it is back."""

    address: str
    ticket: str
    over_https: bool


@dataclass(frozen=True, slots=True)
class Return:
    """What the browser came back with; ``code`` or, when there is none, ``error``."""

    state: str
    ticket: str
    code: str = ""
    error: str = ""
    issuer: str = ""


class SignOn:
    """Single sign-on over one provider, or over none."""

    def __init__(  # all it needs, once
        self,
        sign_ons: SignOns,
        accounts: Accounts,
        sessions: Sessions,
        audit: AuditLog,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._sign_ons = sign_ons
        self._accounts = accounts
        self._sessions = sessions
        self._audit = audit
        self._clock = clock
        self._over_https = settings.oidc_redirect_url.startswith("https:")
        self._asked = OidcProvider(settings, clock) if settings.oidc_issuer else None

    @property
    def _provider(self) -> OidcProvider:
        if self._asked is None:
            raise SignOnOff
        return self._asked

    async def begin(self) -> Departure:
        """Send somebody to the provider.

        Raises:
            SignOnOff, SignOnUnavailable.
        """
        provider = self._provider
        state, ticket, nonce, verifier = (secrets.token_urlsafe(_BYTES) for _ in range(4))
        address = await provider.address_for(state, nonce, verifier)
        expires_at = self._clock.now() + timedelta(seconds=VISIT_S)
        visit = Visit(_hash(state), _hash(ticket), nonce, verifier, expires_at)
        await self._sign_ons.depart(visit)
        return Departure(address, ticket, self._over_https)

    async def finish(self, back: Return, request_id: str) -> TokenPair:
        """A session for the operator who came back; the state is used up, whatever comes of it.

        Raises:
            SignOnOff, SignOnStateInvalid, SignOnRefused, SignOnTokenInvalid, SignOnUnavailable.
            SignOnNotOperator, SignOnEmailUnverified, EmailTaken, AccountDeactivated.
        """
        provider = self._provider
        hashes = _hash(back.state), _hash(back.ticket)
        visit = await self._sign_ons.come_back(*hashes, self._clock.now())
        if visit is None:
            raise SignOnStateInvalid
        if back.issuer and back.issuer != provider.issuer:
            raise SignOnTokenInvalid("iss")  # another provider's answer (RFC 9207)
        if not back.code:
            raise refusal(back.error)
        identity = await provider.identity(back.code, visit)
        return await self._sessions.begin(await self._recorded(identity, request_id))

    async def _recorded(self, identity: Identity, request_id: str) -> User:
        """Their account; who was let in or was not is on record before they are."""
        known = await self._sign_ons.user_of(identity)
        reason = f"single sign-on at {identity.issuer} as {identity.subject}"
        who = known or identity.key
        act = OperatorAct(who, VERB, who, reason, request_id)
        act_id = await self._audit.begin(act)
        try:
            user = await self._account(identity, known, act)
        except PayflowError as refused:
            await self._audit.finish(act_id, refused.code)
            raise
        await self._audit.finish(act_id, "done")
        return user

    async def _account(self, identity: Identity, known: str | None, act: OperatorAct) -> User:
        """Their account as the provider says; a changed role is a line of its own."""
        if not identity.is_operator:
            if known is not None:
                await self._accounts.set_role(known, Role.USER, replace(act, verb="demote"))
                await self._sessions.end_all(known)
            raise SignOnNotOperator
        user = (
            await self._first_time(identity, act)
            if known is None
            else await self._accounts.get(known)
        )
        if not user.active:
            raise AccountDeactivated
        if known is None:
            await self._sign_ons.link(identity, user.id, self._clock.now())
        promote = replace(act, verb="promote")
        return await self._accounts.set_role(user.id, Role.OPERATOR, promote)

    async def _first_time(self, identity: Identity, act: OperatorAct) -> User:
        """A new account, or the operator of that verified address.

        Whoever registered an address was never asked to prove it: such an account is nobody's
        but its password's, and is not taken over.
        """
        if identity.email is None:
            raise SignOnEmailUnverified
        user = await self._accounts.find_by_email(identity.email)
        if user is None:
            nobodys = await hash_password(secrets.token_urlsafe(_BYTES))
            return await self._accounts.create_operator(
                email=identity.email,
                password_hash=nobodys,
                name=identity.name,
                act=replace(act, verb="create_operator"),
            )
        if user.role is not Role.OPERATOR:
            raise EmailTaken
        return user


def _hash(text: str) -> str:
    """What is stored instead of it; 256 random bits need no salt."""
    return sha256(text.encode()).hexdigest()
