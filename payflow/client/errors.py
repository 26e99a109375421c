"""What a call can come to instead of its answer.

ClientError
├── Unanswered               no answer came; with the same key the call may be made again
└── ProblemError             the API said no (RFC 9457)
    ├── Unauthenticated      401
    ├── Forbidden            403
    ├── Missing              404
    ├── Conflict             409
    ├── Invalid              400, 413, 415, 422
    ├── RateLimited          429
    └── ServerTrouble        5xx
"""

from collections.abc import Mapping
from typing import Any

import httpx


class ClientError(Exception):
    """A call has no answer to give back."""


class Unanswered(ClientError):
    """The connection failed, at every attempt; whether the call was carried out is not known.

    ``idempotency_key`` is the one that was sent, if any: with it the call can be repeated.
    """

    def __init__(self, reason: str, idempotency_key: str | None) -> None:
        super().__init__(reason)
        self.idempotency_key = idempotency_key


class ProblemError(ClientError):
    """Problem details; programs look at ``code``, which is stable."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.errors: list[dict[str, str]] = list(problem.get("errors", ()))
        super().__init__(f"{status} {self.code}: {self.detail}")


class Unauthenticated(ProblemError):
    """No token, or none that is good (any more)."""


class Forbidden(ProblemError):
    """Only an operator may do this."""


class Missing(ProblemError):
    """There is no such thing, or it is somebody else's."""


class Conflict(ProblemError):
    """It does not go with how things stand."""


class Invalid(ProblemError):
    """The request is not right; ``errors`` names the fields."""


class RateLimited(ProblemError):
    """Too many requests, at every attempt."""


class ServerTrouble(ProblemError):
    """The API could not answer, at every attempt."""


_BY_STATUS: Mapping[int, type[ProblemError]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: Missing,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: RateLimited,
}


def problem_of(answer: httpx.Response) -> ProblemError:
    """The error that an answer of 400 or more stands for, whoever gave it."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):  # a proxy's own page
        problem = {"detail": answer.text[:200]}
    kind = _BY_STATUS.get(answer.status_code, ProblemError)
    if answer.is_server_error:
        kind = ServerTrouble
    return kind(answer.status_code, problem)
