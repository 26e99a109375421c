"""Single sign-on of operators: a visit to the provider, who came back, and why not to let them in.

PayflowError
├── AuthenticationFailed
│   ├── SignOnStateInvalid      this answer belongs to no visit of this browser
│   ├── SignOnRefused           the provider did not sign them in
│   └── SignOnTokenInvalid      the provider's word does not hold
├── SignOnNotOperator, SignOnEmailUnverified
├── SignOnOff                   no provider is set
└── Trouble
    └── SignOnUnavailable       the provider cannot be asked
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from payflow.domain.errors import AuthenticationFailed, PayflowError, Trouble


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody on their way to the provider; ``ticket_hash`` is their browser's.

    The nonce comes back inside the ID token (OpenID Connect Core 1.0 §3.1.2.1), the verifier is
    shown when the code is spent (RFC 7636).
    """

    state_hash: str
    ticket_hash: str
    nonce: str
    verifier: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a good ID token speaks of; ``email`` is lower case, None unless it is verified."""

    issuer: str
    subject: str
    name: str
    is_operator: bool
    email: str | None = None

    @property
    def key(self) -> str:
        """What it is kept under: issuer and subject are one person for ever, an address is not."""
        return "oidc_" + sha256(f"{self.issuer}\0{self.subject}".encode()).hexdigest()


class SignOns(Protocol):
    """Visits under way, and which user an identity is; for all processes."""

    async def depart(self, visit: Visit) -> None:
        """Keep the visit until it expires."""
        ...

    async def come_back(self, state_hash: str, ticket_hash: str, now: datetime) -> Visit | None:
        """The visit of that state and browser, once; None when there is none or no longer."""
        ...

    async def user_of(self, identity: Identity) -> str | None:
        """The id of the user this identity is, if it has been here."""
        ...

    async def link(self, identity: Identity, user_id: str, now: datetime) -> None:
        """From now on the identity is this user; the first link stays."""
        ...


class SignOnStateInvalid(AuthenticationFailed):
    """The answer belongs to no visit: unknown, used, too late, or of another browser."""

    code = "sso_state_invalid"

    def __init__(self) -> None:
        super().__init__("This sign-in was not begun here, was used, or took too long; begin anew.")


class SignOnRefused(AuthenticationFailed):
    """The provider did not sign them in, or did not take the code."""

    code = "sso_refused"

    def __init__(self, why: str) -> None:
        super().__init__(f"The provider did not sign you in: {why}.")


class SignOnTokenInvalid(AuthenticationFailed):
    """The provider's answer does not hold: signature, issuer, audience, time or nonce."""

    code = "sso_token_invalid"

    def __init__(self, what: str) -> None:
        super().__init__(f"The provider's answer is not valid: {what}.")


class SignOnNotOperator(PayflowError):
    """They are who they say, and no operator."""

    code = "sso_not_operator"

    def __init__(self) -> None:
        super().__init__("The provider does not name you among the operators.")


class SignOnEmailUnverified(PayflowError):
    """An account is made for a verified address only."""

    code = "sso_email_unverified"

    def __init__(self) -> None:
        super().__init__("The provider has not verified your email address.")


class SignOnOff(PayflowError):
    """There is no provider to sign in with."""

    code = "sso_off"

    def __init__(self) -> None:
        super().__init__("No provider is set to sign in with; use POST /v1/auth/login.")


class SignOnUnavailable(Trouble):
    """The provider does not answer, or not as one does."""

    code = "sso_unavailable"

    def __init__(self) -> None:
        super().__init__("The provider to sign in with does not answer; try again.")
