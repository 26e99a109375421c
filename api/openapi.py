"""The OpenAPI 3.1 document: what the framework derives, completed."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api.problems import Problem
from api.v1.examples import list_of
from api.v1.schemas import NewBatch

TITLE = "PayFlow"
DESCRIPTION = """Moves money between wallets and never loses, doubles or half-moves it.

Amounts are integers in the currency's minor unit. Every error is `application/problem+json`
(RFC 9457); `code` is stable. Calls that move money take an `Idempotency-Key`.
"""
TAGS = [
    {"name": "auth", "description": "Sign-up, sign-in and the own account."},
    {"name": "wallets", "description": "Wallets, their entries, deposits and withdrawals."},
    {"name": "transfers", "description": "Transfers and the verbs that repair them."},
    {"name": "batches", "description": "Many transfers in one call."},
    {"name": "events", "description": "The event feed, by position, and live streams of it."},
    {"name": "webhooks", "description": "Signed events, delivered to endpoints of one's own."},
    {"name": "api keys", "description": "What programs show instead of a session."},
    {"name": "users", "description": "Other people's accounts, for operators."},
    {"name": "simulation", "description": "Fault rehearsal in dev and test."},
    {"name": "codec", "description": "What Temporal stores encrypted, for operators."},
    {"name": "health", "description": "For probes."},
]
_UNSEEN: tuple[type[BaseModel], ...] = (Problem, NewBatch)  # what no call's signature shows
_FRAMEWORK_ERRORS = ("HTTPValidationError", "ValidationError")  # ours look otherwise


def install_openapi(app: FastAPI) -> None:
    """Let the app answer ``/openapi.json`` with the completed document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the framework's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document["components"]["schemas"]
    for operation in _operations(document):
        _drop_framework_errors(operation)
        for content in _json_contents(operation):
            _lift_example(content, schemas)
    for name in _FRAMEWORK_ERRORS:
        schemas.pop(name, None)
    for model in _UNSEEN:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs"), **{model.__name__: schema})
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _drop_framework_errors(operation: dict[str, Any]) -> None:
    """A call that documents no 422 of ours takes only path parameters, which are never invalid."""
    invalid = operation["responses"].get("422", {}).get("content", {})
    if "application/json" in invalid:
        del operation["responses"]["422"]


def _json_contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        if "application/json" in part.get("content", {}):
            yield part["content"]["application/json"]


def _lift_example(content: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Show a schema's example where the schema is used, as tools look for it there."""
    schema = content["schema"]
    named = schema if "$ref" in schema else schema.get("anyOf", [{}])[0]
    example = _example_of(named, schemas)
    if example is not None:
        content["example"] = example


def _example_of(reference: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any] | None:
    schema = schemas.get(reference.get("$ref", "").rpartition("/")[2], {})
    if "examples" in schema:
        first: dict[str, Any] = schema["examples"][0]
        return first
    item = schema.get("properties", {}).get("data", {}).get("items", {})
    thing = _example_of(item, schemas) if item else None
    return list_of(thing) if thing else None
