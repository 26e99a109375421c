"""The OpenAPI 3.1 document: what the framework derives, completed."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.problems import KINDS, Problem
from api.v1.examples import list_of
from api.v1.schemas import NewBatch
from api.webhook_calls import webhook_calls
from api.well_known import MEDIA_TYPE as JWK_SET

TITLE = "PayFlow"
DESCRIPTION = """Moves money between wallets and never loses, doubles or half-moves it.

Amounts are integers in the currency's minor unit. Every error is `application/problem+json`
(RFC 9457); `code` is stable. Calls that move money take an `Idempotency-Key`. Answers may gain
fields and events may gain types: a client ignores what it does not know.
"""
LICENSE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
TAGS = [
    {"name": "auth", "description": "Sign-up, sign-in and the own account."},
    {"name": "wallets", "description": "Wallets, their entries, deposits and withdrawals."},
    {"name": "transfers", "description": "Transfers and the verbs that repair them."},
    {"name": "batches", "description": "Many transfers in one call."},
    {"name": "events", "description": "The event feed, by position, and live streams of it."},
    {"name": "proof", "description": "That the books balance, signed, for anyone to verify."},
    {"name": "webhooks", "description": "Signed events, delivered to endpoints of one's own."},
    {"name": "api keys", "description": "What programs show instead of a session."},
    {"name": "users", "description": "Other people's accounts, for operators."},
    {"name": "simulation", "description": "Fault rehearsal in dev and test."},
    {"name": "codec", "description": "What Temporal stores encrypted, for operators."},
    {"name": "health", "description": "For probes."},
]
_UNSEEN: tuple[type[BaseModel], ...] = (Problem, NewBatch)  # what no call's signature shows
_FRAMEWORK_ERRORS = ("HTTPValidationError", "ValidationError")  # ours look otherwise
_OUR_JSON = ("application/json", JWK_SET)  # problems bring examples of their own
_PARTIAL = ("ProfileChange", "EndpointChange")  # what is left out of these stays as it is
_UNSAID = "Successful Response"  # the framework's description of what nobody described
_REQUEST_ID = {
    "X-Request-Id": {
        "description": "The id of this request: the caller's own, or a fresh one.",
        "schema": {"type": "string"},
    }
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "string"},
    }
}
_CHALLENGE = {
    "WWW-Authenticate": {
        "description": "The scheme to authenticate with (RFC 6750).",
        "schema": {"type": "string"},
    }
}
_HEADERS = {"401": _CHALLENGE, "429": _RETRY_AFTER, "503": _RETRY_AFTER}


def install_openapi(app: FastAPI) -> None:
    """Let the app answer ``/openapi.json`` with the completed document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the framework's documented way


def operation_id(route: APIRoute) -> str:
    """A call's name for generated clients: that of its function, which is the only one so named."""
    return route.name


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        license_info=LICENSE,
        servers=[{"url": "/", "description": "The API that serves this document."}],
    )
    found = document["components"]["schemas"]
    for name in _FRAMEWORK_ERRORS:
        found.pop(name, None)
    for model in _UNSEEN:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        found.update(schema.pop("$defs"), **{model.__name__: schema})
    found["Problem"]["properties"]["code"]["enum"] = sorted(KINDS)
    _restore_examples(found)
    for name in _PARTIAL:
        for field in found[name]["properties"].values():
            field.pop("default", None)
    for operation in _operations(document):
        _drop_framework_errors(operation)
        for content in _json_contents(operation):
            _lift_example(content, found)
        for status, response in operation["responses"].items():
            _complete(status, response, found)
    document["webhooks"] = webhook_calls()
    return document


def _restore_examples(found: dict[str, Any]) -> None:
    """Put the models' own examples back: the framework takes what is null out of them."""
    for model in _models_under(BaseModel):
        extra = model.model_config.get("json_schema_extra")
        if model.__name__ in found and isinstance(extra, dict):
            found[model.__name__].update(extra)


def _models_under(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The API's own models, those that only a module knows among them."""
    for model in base.__subclasses__():
        yield from _models_under(model)
        if model.__module__.startswith("api."):
            yield model


def _complete(status: str, response: dict[str, Any], found: dict[str, Any]) -> None:
    """Say of an answer what is true of every such answer."""
    named = {**response.get("headers", {}), **_HEADERS.get(status, {}), **_REQUEST_ID}
    response["headers"] = named
    if response["description"] == _UNSAID:
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        model = found.get(schema.get("$ref", "").rpartition("/")[2], {})
        response["description"] = model.get("description") or "Done; there is nothing to tell."


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
        content = part.get("content", {})
        yield from (content[kind] for kind in _OUR_JSON if kind in content)


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
