"""Who may read ``/metrics`` on the API's port: a holder of the token, or a neighbour."""

import hmac
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from api.client_address import is_forwarded
from api.parts import parts_of


async def _scraper(request: Request) -> None:
    """With a token only its holder; without one, who asks directly from a private address.

    To anybody else there is no such route.
    """
    token = parts_of(request).metrics_token
    allowed = _holds(request, token) if token else _is_near(request)
    if not allowed:
        raise HTTPException(404)


def _holds(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def _is_near(request: Request) -> bool:
    try:
        peer = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return not is_forwarded(request.headers) and peer.is_private


Scraper = Annotated[None, Depends(_scraper)]
