"""What every answer tells browsers: to guess nothing, keep nothing, frame nothing, leak nothing.

After the OWASP REST Security Cheat Sheet; an API's answers are data, so a browser that shows one
is to run nothing of it.
"""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from payflow.settings import Environment, Settings

Headers = Sequence[tuple[bytes, bytes]]

HSTS_S = 2 * 365 * 86_400  # RFC 6797; two years are what the preload list asks for
EXPOSED = ("Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id")
PREFLIGHT_LIVES_S = 600

_ALWAYS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),  # for browsers that know no frame-ancestors
)
_PAGES = ("/docs", "/proof")
_DATA = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class SecurityHeaders:
    """The headers of an answer, by what is answered and where."""

    def __init__(self, settings: Settings) -> None:
        # a browser heeds it over https only (RFC 6797 §8.1); the TLS before us is not ours to see
        hsts = (b"strict-transport-security", f"max-age={HSTS_S}; includeSubDomains".encode())
        always = (*_ALWAYS, hsts) if settings.env is Environment.PRODUCTION else _ALWAYS
        self._data = (*always, _DATA)
        self._page = always  # it says itself what it may load

    def of(self, scope: Scope) -> Headers:
        """What the answer to this request carries."""
        return self._page if scope["path"] in _PAGES else self._data


def open_to_origins(app: FastAPI, settings: Settings) -> None:
    """Let pages of the listed origins call the API; without a list no browser lets any."""
    origins = settings.cors_list
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Prefer"],
            expose_headers=list(EXPOSED),
            max_age=PREFLIGHT_LIVES_S,
        )
