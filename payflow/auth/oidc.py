"""The OpenID provider, asked within bounds: discovery, the code's exchange, the ID token's checks.

OpenID Connect Core 1.0 §3.1 with PKCE (RFC 7636); Authlib knows the protocol, httpx the network.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from payflow.domain.credentials import normalized_email
from payflow.domain.json_text import parse_json
from payflow.domain.ports import Clock
from payflow.domain.sign_on import (
    Identity,
    SignOnRefused,
    SignOnTokenInvalid,
    SignOnUnavailable,
    Visit,
)
from payflow.settings import Settings

ALGORITHMS = ("RS256", "PS256", "ES256")  # never none, never one whose key both sides hold
ANSWERS_WITHIN_S = 5.0  # each request, whole; people wait for two or three of them
ANSWER_BYTES = 256 * 1024  # a discovery document has about 5 KiB, keys and tokens less
DISCOVERED_FOR_S = 300.0  # endpoints move seldom; keys are fetched at each sign-in
CLOCKS_DIFFER_S = 10  # the provider's clock and ours
_NAME_LENGTH = 100
_SUBJECT_LENGTH = 255  # OpenID Connect Core 1.0 §2
_TELLING = ("access_denied", "login_required", "consent_required", "interaction_required")


@dataclass(frozen=True, slots=True)
class _Endpoints:
    authorization: str
    token: str
    jwks: str
    secret_in_body: bool


class OidcProvider:
    """One provider, as the settings name it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.issuer = settings.oidc_issuer
        self._settings = settings
        self._clock = clock
        self._known: _Endpoints | None = None
        self._known_until = 0.0

    async def address_for(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser.

        Raises:
            SignOnUnavailable: the provider does not describe itself.
        """
        endpoints = await self._endpoints()
        address, _ = self._oauth(endpoints).create_authorization_url(
            endpoints.authorization, state=state, code_verifier=verifier, nonce=nonce
        )
        return str(address)

    async def identity(self, code: str, visit: Visit) -> Identity:
        """Who came back with this code.

        Raises:
            SignOnRefused: the code is not taken. SignOnTokenInvalid: what came for it is no good.
            SignOnUnavailable: the provider does not answer, or not as one does.
        """
        endpoints = await self._endpoints()
        tokens = await self._spend(endpoints, code, visit.verifier)
        keys = await self._ask("GET", endpoints.jwks)
        return self._identity(self._checked(tokens, _keys(keys), visit.nonce))

    async def _endpoints(self) -> _Endpoints:
        if self._known is None or time.monotonic() > self._known_until:
            address = get_well_known_url(self.issuer, external=True)
            self._known = self._described(await self._ask("GET", address))
            self._known_until = time.monotonic() + DISCOVERED_FOR_S
        return self._known

    def _described(self, said: dict[str, Any]) -> _Endpoints:
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        authorization, token, jwks = found = [str(said.get(name)) for name in names]
        # what is asked over https is not answered with an address that is not
        schemes = ("https://",) if self.issuer.startswith("https:") else ("https://", "http://")
        right = all(one.startswith(schemes) for one in found)
        if said.get("issuer") != self.issuer or not right:
            raise SignOnUnavailable
        listed = said.get("token_endpoint_auth_methods_supported")
        methods = listed if isinstance(listed, list) and listed else ["client_secret_basic"]
        return _Endpoints(authorization, token, jwks, "client_secret_basic" not in methods)

    async def _spend(self, endpoints: _Endpoints, code: str, verifier: str) -> dict[str, Any]:
        oauth = self._oauth(endpoints)
        method = oauth.token_endpoint_auth_method
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.oidc_redirect_url,
            "code_verifier": verifier,
        }
        prepared = oauth.client_auth_class(oauth.client_id, oauth.client_secret, method)
        body = str(httpx.QueryParams(form))
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        address, headers, body = prepared.prepare("POST", endpoints.token, headers, body)
        return await self._ask("POST", address, headers, body)

    def _oauth(self, endpoints: _Endpoints) -> OAuth2Client:
        secret = self._settings.oidc_client_secret
        method = "client_secret_post" if endpoints.secret_in_body else "client_secret_basic"
        return OAuth2Client(
            session=None,
            client_id=self._settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            token_endpoint_auth_method=method if secret else "none",
            scope=self._settings.oidc_scopes,
            redirect_uri=self._settings.oidc_redirect_url,
            code_challenge_method="S256",
        )

    def _checked(self, tokens: dict[str, Any], keys: KeySet, nonce: str) -> dict[str, Any]:
        text, client_id = tokens.get("id_token"), self._settings.oidc_client_id
        if not isinstance(text, str):
            raise SignOnTokenInvalid("there is no ID token")
        try:
            token = jwt.decode(text, keys, algorithms=list(ALGORITHMS))
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": client_id},
                    "sub": {"essential": True},
                    "exp": {"essential": True},
                    "nonce": {"essential": True, "value": nonce},
                },
                params={
                    "nonce": nonce,
                    "client_id": client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=CLOCKS_DIFFER_S)
        except JoseError as error:
            raise SignOnTokenInvalid(getattr(error, "claim", None) or error.error) from None
        except (ValueError, TypeError, KeyError):
            raise SignOnTokenInvalid("it cannot be read") from None
        return dict(claims)

    def _identity(self, claims: dict[str, Any]) -> Identity:
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LENGTH:
            raise SignOnTokenInvalid("sub")
        said = claims.get(self._settings.oidc_operator_claim)
        values = said if isinstance(said, list) else [said]
        email = _verified_email(claims)
        return Identity(
            issuer=self.issuer,
            subject=subject,
            name=_printable(claims.get("name")) or email or subject,
            is_operator=self._settings.oidc_operator_value in values,
            email=email,
        )

    async def _ask(
        self, method: str, address: str, headers: dict[str, str] | None = None, body: str = ""
    ) -> dict[str, Any]:
        try:
            async with (
                asyncio.timeout(ANSWERS_WITHIN_S),
                httpx.AsyncClient(trust_env=False, timeout=ANSWERS_WITHIN_S) as client,
                client.stream(
                    method,
                    address,
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"}
                    | (headers or {}),
                    content=body,
                ) as answer,
            ):
                said = await _read(answer)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError):
            raise SignOnUnavailable from None
        if not isinstance(said, dict) or answer.status_code >= 500:
            raise SignOnUnavailable
        if method == "POST" and answer.status_code >= 400:
            raise SignOnRefused("it does not take the code")
        if answer.status_code != 200:
            raise SignOnUnavailable
        return said


def refusal(error: str) -> SignOnRefused:
    """What the provider said instead of a code; a word that it may say, never another's text."""
    return SignOnRefused(error if error in _TELLING else "it gave no code")


async def _read(answer: httpx.Response) -> object:
    """The JSON of an answer, or ``ValueError``; never more of it than a provider says."""
    read = bytearray()
    async for chunk in answer.aiter_raw():
        read += chunk
        if len(read) > ANSWER_BYTES:
            raise ValueError("too long")
    return parse_json(read)


def _keys(said: dict[str, Any]) -> KeySet:
    """The public keys that sign; others are not looked at."""
    listed = said.get("keys")
    found = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    signing = [key for key in found if key.get("kty") in ("RSA", "EC") and key.get("use") != "enc"]
    try:
        return KeySet.import_key_set({"keys": signing})
    except (JoseError, ValueError, TypeError):
        raise SignOnUnavailable from None


def _verified_email(claims: dict[str, Any]) -> str | None:
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return None
    try:
        return normalized_email(email)
    except ValueError:
        return None


def _printable(name: object) -> str:
    text = name if isinstance(name, str) else ""
    return "".join(c for c in text if c.isprintable()).strip()[:_NAME_LENGTH]
