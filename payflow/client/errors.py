"""What a call can come to instead of its answer.

ClientError
├── CallInvalid              the call cannot be sent: it is wrong as it stands; nothing was sent
├── EventInvalid             what a webhook brought is signed, and is no event
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

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from payflow.domain.json_text import JsonInvalid, parse_json, printable

_SHOWN = 200  # characters of what is no problem of ours, such as a proxy's page


class ClientError(Exception):
    """A call has no answer to give back."""


class CallInvalid(ClientError, ValueError):
    """The call is not right as the caller made it: nothing was sent, and no attempt would help.

    ``field`` names the argument or the part of the body that is wrong.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class EventInvalid(ClientError):
    """The body of a webhook is signed with the secret, and is no event; says why."""


class Unanswered(ClientError):
    """No answer came that can be understood; whether the call was carried out is not known.

    ``idempotency_key`` is the one that was sent, if any: with it the call can be repeated.
    """

    def __init__(self, reason: str, idempotency_key: str | None) -> None:
        super().__init__(reason)
        self.idempotency_key = idempotency_key


class ProblemError(ClientError):
    """Problem details; programs read ``code``, which is stable."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = _text(problem, "code") or "unknown"
        self.detail = _text(problem, "detail")
        self.request_id = _text(problem, "request_id")
        self.errors = list(_field_problems(problem.get("errors")))
        fields = "; ".join(f"{one['field']}: {one['message']}" for one in self.errors)
        words = f"{status} {self.code}: {self.detail}" + (f" ({fields})" if fields else "")
        super().__init__(printable(words))


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
    """The error that an answer of another status than 2xx stands for, whoever gave it."""
    try:
        problem = parse_json(answer.content)
    except JsonInvalid:
        problem = None
    if not isinstance(problem, dict):  # a proxy's own page
        # not ``answer.text``: the server names the encoding, and some of those raise
        problem = {"detail": answer.content[: 4 * _SHOWN].decode(errors="replace")[:_SHOWN]}
    kind = _BY_STATUS.get(answer.status_code, ProblemError)
    if answer.is_server_error:
        kind = ServerTrouble
    return kind(answer.status_code, problem)


def _field_problems(listed: object) -> Iterator[dict[str, str]]:
    """The fields a problem names; what has another shape is passed over."""
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and _text(one, "field"):
            yield {"field": _text(one, "field"), "message": _text(one, "message")}


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
