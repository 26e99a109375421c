"""Exceptions to problems: every error leaves as RFC 9457, whoever raised it."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match

from api.problems import KINDS, problem, problem_of
from payflow.domain.errors import ItemsRefused, PayflowError
from payflow.domain.json_text import JsonInvalid

_CODES_OF_STATUS = {
    400: "malformed_json",  # the only 400 of that kind: a body that has not one meaning
    404: "route_not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_MAX_PROBLEMS = 100  # a batch may have 10,000 bad items; the next try tells of the others
_MAX_FIELD_LENGTH = 200  # a field's name may be the client's own; it is echoed no further


def install_handlers(app: FastAPI) -> None:
    """Make the app answer every error with a problem.

    Each handler asserts the kind it is registered for; Starlette's type says ``Exception``.
    """
    app.add_exception_handler(PayflowError, _payflow_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)


async def _payflow_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PayflowError)  # noqa: S101  # nosec B101
    if error.code not in KINDS:
        raise error  # a bug, or what only a worker should meet: 500, and in the log
    errors = [{"field": where, "message": why} for where, why in _named(error)]
    return problem_of(request.scope, error, errors)


def _named(error: PayflowError) -> list[tuple[str, str]]:
    """The fields that the error is about, and what is wrong with each."""
    if isinstance(error, ItemsRefused):
        return [(f"transfers[{p.index}].{p.field}", str(p.reason)) for p in error.problems]
    field = getattr(error, "field", None)
    return [(field, str(error))] if field else []


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # nosec B101
    found = error.errors()
    if any(one["loc"] == ("body",) and isinstance(one.get("input"), bytes) for one in found):
        return problem(request.scope, "unsupported_media_type")
    return problem(request.scope, "validation_error", errors=_field_problems(found))


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # nosec B101
    code = _CODES_OF_STATUS.get(error.status_code, "internal_error")
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed(request)
    reason = error.__cause__  # the framework's own words for it are not the caller's
    detail = f"The body {reason}." if isinstance(reason, JsonInvalid) else None
    return problem(request.scope, code, detail=detail, headers=headers)


def _allowed(request: Request) -> str:
    """Every method of the address (RFC 9110 §10.2.1); the framework names those of one route."""
    taken = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    return ", ".join(taken)


def _field_problems(found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"field": _field(one), "message": _message(one)} for one in found[:_MAX_PROBLEMS]]


def _field(error: Mapping[str, Any]) -> str:
    """The way to the field, without where it was (body, query): ``transfers[17].amount``."""
    named = error.get("ctx", {}).get("field")  # a rule about several fields names one
    location, *inner = error["loc"]
    path = [*inner, named] if named else inner
    field = "".join(_part(part) for part in path).removeprefix(".") or str(location)
    return "".join(c if c.isprintable() else "\ufffd" for c in field[:_MAX_FIELD_LENGTH])


def _part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return "" if part == "[key]" else f".{part}"


def _message(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")
