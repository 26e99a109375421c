"""``Prefer: wait=N`` (RFC 7240): how long a client would like to wait for the end."""

import re
from typing import Annotated, Any

from fastapi import Depends, Request

MAX_WAIT_S = 30

_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)

PARAMETER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": f"`wait=N`, 1 to {MAX_WAIT_S} seconds: answer when the transfer is terminal, "
    "or after N seconds.",
    "schema": {"type": "string"},
    "example": "wait=10",
}


def parse_wait(values: list[str]) -> int | None:
    """Seconds to wait, at most ``MAX_WAIT_S``; None when none are asked for.

    The first ``wait`` counts; what cannot be understood is ignored, as RFC 7240 §2 asks.
    """
    for preference in ",".join(values).split(","):
        if match := _WAIT.fullmatch(preference.strip()):
            return min(int(match[1]), MAX_WAIT_S) or None
    return None


async def _wait(request: Request) -> int | None:
    return parse_wait(request.headers.getlist("prefer"))


Wait = Annotated[int | None, Depends(_wait)]
