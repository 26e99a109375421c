"""Exceptions to problems: every error leaves as RFC 9457, whoever raised it."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from api.problems import KINDS, problem
from payflow.domain.errors import PayflowError

_CODES_OF_STATUS = {
    400: "malformed_json",  # the framework's only 400: a body it cannot parse
    404: "route_not_found",
    405: "method_not_allowed",
    413: "body_too_large",
}
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
    field = getattr(error, "field", None)
    errors = [{"field": field, "message": str(error)}] if field else []
    return problem(request.scope, error.code, detail=str(error), errors=errors)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # nosec B101
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return problem(request.scope, "malformed_json")
    if any(one["loc"] == ("body",) and isinstance(one.get("input"), bytes) for one in found):
        return problem(request.scope, "unsupported_media_type")
    return problem(request.scope, "validation_error", errors=_field_problems(found))


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # nosec B101
    code = _CODES_OF_STATUS.get(error.status_code, "internal_error")
    return problem(request.scope, code, headers=error.headers)


def _field_problems(found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"field": _field(one), "message": _message(one)} for one in found]


def _field(error: Mapping[str, Any]) -> str:
    """``amount`` or ``metadata.key``: the way to the field, without where it was (body, query)."""
    named = error.get("ctx", {}).get("field")  # a rule about several fields names one
    location, *inner = error["loc"]
    path = [str(part) for part in inner if part != "[key]"] + ([named] if named else [])
    field = ".".join(path) or str(location)
    return "".join(c if c.isprintable() else "\ufffd" for c in field[:_MAX_FIELD_LENGTH])


def _message(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")
