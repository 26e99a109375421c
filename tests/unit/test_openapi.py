"""The OpenAPI document as a stranger reads it: valid, named, described, with examples that hold."""

import base64
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import SecretStr

from api.app import routed_app
from api.problems import KINDS, MEDIA_TYPE
from payflow.domain.events import EventType
from payflow.settings import Settings

Json = dict[str, Any]

WITH_EVERYTHING = Settings(codec_keys=SecretStr(f"one:{base64.b64encode(bytes(32)).decode()}"))
SPEC: Json = routed_app(WITH_EVERYTHING).openapi()
CALLS: dict[str, Json] = {
    f"{method} {path}": operation
    for path, operations in SPEC["paths"].items()
    for method, operation in operations.items()
}
HOOKS: dict[str, Json] = {name: item["post"] for name, item in SPEC["webhooks"].items()}
DOCUMENT = Draft202012Validator(SPEC)
PROBES = ("get /health", "get /health/live", "get /health/ready", "get /metrics")


def contents(operation: Json) -> Iterator[tuple[str, Json]]:
    """Every body of a call, asked or answered, by its media type."""
    for part in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from part.get("content", {}).items()


def examples_of(thing: Json) -> list[Any]:
    """What is shown for a body or a parameter, where OpenAPI says that tools look for it."""
    if "example" in thing:
        return [thing["example"]]
    if isinstance(thing.get("examples"), dict):
        return [shown["value"] for shown in thing["examples"].values()]
    found: list[Any] = thing.get("schema", {}).get("examples", [])
    return found


def complaints(schema: Json, example: Any) -> list[str]:
    """What JSON Schema says against an example; references are looked up in the document."""
    return [error.message for error in DOCUMENT.evolve(schema=schema).iter_errors(example)]


def test_the_document_is_valid() -> None:
    assert SPEC["openapi"].startswith("3.1")
    assert not [error.message for error in OpenAPIV31SpecValidator(SPEC).iter_errors()]


def test_a_broken_document_is_not() -> None:
    broken = {**SPEC, "info": {"title": "PayFlow"}}

    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_every_call_has_a_name_of_its_own() -> None:
    names = Counter(call["operationId"] for call in (*CALLS.values(), *HOOKS.values()))

    assert not [name for name, times in names.items() if times > 1]
    assert all(name.isidentifier() for name in names)


@pytest.mark.parametrize("call", [*CALLS, *HOOKS])
def test_a_call_says_what_it_does(call: str) -> None:
    operation = CALLS.get(call) or HOOKS[call]

    assert operation["summary"]
    assert operation["description"]
    assert set(operation["tags"]) <= {tag["name"] for tag in SPEC["tags"]}
    assert all(response["description"] for response in operation["responses"].values())
    assert "Successful Response" not in str(operation)


@pytest.mark.parametrize("call", [*CALLS, *HOOKS])
def test_every_parameter_is_described(call: str) -> None:
    operation = CALLS.get(call) or HOOKS[call]
    silent = [p["name"] for p in operation.get("parameters", ()) if not p.get("description")]

    assert not silent


@pytest.mark.parametrize("call", [call for call in CALLS if call not in PROBES])
def test_every_way_to_fail_is_told_with_its_codes(call: str) -> None:
    operation = CALLS[call]
    responses = operation["responses"]
    expected = {"500", "503"}
    expected |= {"401"} if operation.get("security") else set()
    expected |= {"404"} if "{" in call else set()
    expected |= {"400", "413", "415", "422"} if "requestBody" in operation else set()

    assert expected <= set(responses)
    for status in (status for status in responses if status >= "4"):
        body = responses[status]["content"][MEDIA_TYPE]
        codes = body["schema"]["properties"]["code"]["enum"]
        assert codes
        assert list(body["examples"]) == codes
        assert {str(KINDS[code].status) for code in codes} == {status}


def test_a_code_that_no_call_gives_is_not_in_the_table() -> None:
    anywhere = {"route_not_found", "method_not_allowed"} | {
        *("headers_too_large", "request_timeout"),
        *("header_invalid", "malformed_request"),
    }
    told = {
        code
        for operation in CALLS.values()
        for kind, body in contents(operation)
        if kind == MEDIA_TYPE
        for code in body["examples"]
    }

    assert set(KINDS) - anywhere == told


@pytest.mark.parametrize("call", [*CALLS, *HOOKS])
def test_every_body_shows_an_example_that_its_schema_takes(call: str) -> None:
    operation = CALLS.get(call) or HOOKS[call]
    for kind, body in contents(operation):
        shown = examples_of(body)
        assert shown or kind in {"text/plain", "image/svg+xml"}, kind
        wrong = [said for example in shown for said in complaints(body.get("schema", {}), example)]
        assert not wrong, (kind, wrong)


def test_an_example_that_lies_is_found() -> None:
    body = CALLS["post /v1/transfers"]["requestBody"]["content"]["application/json"]
    (shown, *_) = examples_of(body)

    assert not complaints(body["schema"], shown)
    assert complaints(body["schema"], {**shown, "amount": "12.50"})


@pytest.mark.parametrize("name", SPEC["components"]["schemas"])
def test_a_schemas_own_examples_hold(name: str) -> None:
    schema = SPEC["components"]["schemas"][name]

    for example in schema.get("examples", ()):
        assert not complaints(schema, example)


def test_every_event_is_a_call_of_ours() -> None:
    assert set(HOOKS) == {kind.value for kind in EventType}
