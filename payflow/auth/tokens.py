"""Access tokens: short-lived JWTs (RFC 9068), signed and verified with one pinned algorithm."""

import secrets
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError

from payflow.auth.keys import SigningKeys
from payflow.domain.errors import TokenExpired, TokenInvalid, TokenWrongType
from payflow.domain.ports import Clock
from payflow.domain.users import Role, User
from payflow.settings import Settings

REFRESH_TOKEN_PREFIX = "pfr_"  # noqa: S105  # how a refresh token is told from an access token

_ALGORITHM = "Ed25519"  # RFC 9864; the only one taken, whatever a token's header says
_TYPE = "at+jwt"
_MAX_LENGTH = 2_048  # ours are about 500; nothing longer is worth a look
_MAX_AHEAD_S = 5  # of another process's clock, before its `iat` is taken for a forgery


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a good access token says: who, signed in under which session, until when."""

    user_id: str
    role: Role
    session_id: str
    expires_at: float


class _Claims(jwt.JWTClaimsRegistry):
    """joserfc's checks, without its leeway on ``exp``: another clock may be ahead, not time."""

    def validate_iat(self, value: object) -> None:
        """Refuse a token from the future, further than clocks differ."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidClaimError("iat")
        if value > self.now + _MAX_AHEAD_S:
            raise InvalidClaimError("iat")


class AccessTokens:
    """Signs and verifies access tokens."""

    def __init__(self, keys: SigningKeys, settings: Settings, clock: Clock) -> None:
        self._keys = keys
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._clock = clock
        self.ttl_s = settings.access_token_ttl_s
        self._claims = _Claims(
            now=self._now,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            sub={"essential": True},
            exp={"essential": True},
            jti={"essential": True},
            role={"essential": True, "values": [role.value for role in Role]},
            sid={"essential": True},
        )

    @property
    def public_keys(self) -> list[dict[str, Any]]:
        """What others verify our tokens with."""
        return self._keys.public

    def issue(self, user: User, session_id: str) -> str:
        """A token for the user, good for ``ttl_s`` seconds from now."""
        now = self._now()
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user.id,
            "iat": now,
            "exp": now + self.ttl_s,
            "jti": secrets.token_urlsafe(12),
            "role": user.role.value,
            "sid": session_id,
        }
        header = {"alg": _ALGORITHM, "typ": _TYPE, "kid": self._keys.signer_id}
        return jwt.encode(header, claims, self._keys.signer, algorithms=[_ALGORITHM])

    def verify(self, token: str) -> AccessToken:
        """What the token says, once everything about it was checked.

        Raises:
            TokenWrongType, TokenExpired, TokenInvalid.
        """
        if token.startswith(REFRESH_TOKEN_PREFIX):
            raise TokenWrongType
        if len(token) > _MAX_LENGTH:
            raise TokenInvalid
        claims = self._checked_claims(token)
        return AccessToken(claims["sub"], Role(claims["role"]), claims["sid"], claims["exp"])

    def _checked_claims(self, token: str) -> dict[str, Any]:
        try:
            decoded = jwt.decode(token, self._keys.all, algorithms=[_ALGORITHM])
            self._claims.validate(decoded.claims)  # decode checks the signature and nothing else
        except ExpiredTokenError:
            raise TokenExpired from None
        except (JoseError, ValueError, TypeError):
            raise TokenInvalid from None
        if decoded.header.get("typ") != _TYPE or not isinstance(decoded.claims["sid"], str):
            raise TokenInvalid
        return decoded.claims

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
