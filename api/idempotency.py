"""Idempotency keys: the header, and the hash of the request it stands for."""

import json
import re
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Request

from api.dependencies import Viewer
from api.errors import IdempotencyKeyInvalid, IdempotencyKeyRequired
from payflow.domain.ports import IdempotencyClaim

_PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")

PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "1 to 255 printable ASCII characters. The same key with the same body is the "
    "same request, for as long as what it made exists; with another body it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "order-4711",
}


def parse_key(values: list[str]) -> str:
    """The one key of the request.

    Raises:
        IdempotencyKeyRequired: there is no header.
        IdempotencyKeyInvalid: several, an empty one, too long, or not printable ASCII.
    """
    if not values:
        raise IdempotencyKeyRequired
    if len(values) > 1 or not _PRINTABLE.fullmatch(values[0]):
        raise IdempotencyKeyInvalid
    return values[0]


def request_hash(method: str, path: str, body: object) -> str:
    """What makes two requests one: method, path and the parsed body, whatever its spelling."""
    return sha256(f"{method} {path} {canonical(body)}".encode()).hexdigest()


def canonical(value: object) -> str:
    """A JSON value in the one form that all its spellings have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


async def _claim(request: Request, viewer: Viewer) -> IdempotencyClaim:
    key = parse_key(request.headers.getlist("idempotency-key"))
    return IdempotencyClaim(viewer.user_id, key, await _hash_of(request))


async def _hash_of(request: Request) -> str:
    method, path = request.method, request.url.path
    try:
        return request_hash(method, path, await request.json())  # parsed once, and kept
    except (ValueError, RecursionError):
        return request_hash(method, path, None)  # the body is refused right after this


Claim = Annotated[IdempotencyClaim, Depends(_claim)]
