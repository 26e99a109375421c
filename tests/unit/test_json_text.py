"""JSON has one meaning or none: what two readers would understand differently is refused."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey
from pydantic import SecretStr

from api.app import routed_app
from api.middleware import RequestContext
from api.security_headers import SecurityHeaders
from api.v1.batches import PATH as BATCHES
from cli.folder import DataFolder
from payflow.auth.keys import KeysUnusable, SigningKeys, parse_jwk_set
from payflow.auth.trusted_keys import TrustedKeys
from payflow.domain.json_text import JsonInvalid, parse_json, printable
from payflow.settings import Settings
from payflow.webhooks.sealing import SealUnusable, load_sealer

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # a lone surrogate has no bytes in UTF-8
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner)
    ),
    max_leaves=10,
)


@given(JSON)
def test_json_is_read_as_the_standard_library_reads_it(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)

    assert parse_json(text) == parse_json(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"amount": 1, "amount": 2}', "names 'amount' twice in one object"),
        ('{"a": [{"b": {"c": 1, "c": 1}}]}', "names 'c' twice in one object"),
        ('{"a": 1, "\\u0061": 2}', "names 'a' twice in one object"),
        ('{"\\u0007": 1, "\\u0007": 2}', "names '\\x07' twice in one object"),
        ('{"a": NaN}', "holds NaN, which is no JSON number"),
        ("[-Infinity]", "holds -Infinity, which is no JSON number"),
        ("1e999", "holds a number that is too large"),
        ("9" * 5_000, "is not JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ("", "is not JSON"),
        ("{", "is not JSON"),
        (b"\xff\xfe{\x00}\x00", "is not JSON"),
        (b'"\xed\xa0\x80"', "is not JSON"),
    ],
    ids=lambda one: repr(one)[:30],
)
def test_json_with_another_meaning_or_none_is_refused(text: str | bytes, reason: str) -> None:
    with pytest.raises(JsonInvalid) as refused:
        parse_json(text)
    assert str(refused.value) == reason


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_any_text_is_json_or_refused(text: str | bytes) -> None:
    try:
        parse_json(text)
    except JsonInvalid as refused:
        assert str(refused).isprintable()


@given(st.text())
def test_printable_text_has_no_control_characters(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()  # also where it was a lone surrogate


SETTINGS = Settings(codec_keys=SecretStr(f"one:{base64.b64encode(bytes(32)).decode()}"))
APP = routed_app(SETTINGS)
WITH_JSON = [
    (method.upper(), re.sub(r"\{\w+\}", "one", path))
    for path, calls in APP.openapi()["paths"].items()
    for method, call in calls.items()
    # the body of a batch is read where its places are counted
    if "application/json" in call.get("requestBody", {}).get("content", {}) and path != BATCHES
]


@pytest.mark.parametrize(("method", "path"), WITH_JSON)
async def test_every_call_refuses_a_body_of_two_meanings(method: str, path: str) -> None:
    transport = httpx.ASGITransport(RequestContext(APP, SecurityHeaders(SETTINGS)))
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example.com") as api:
        answer = await api.request(method, path, content='{"a": 1, "a": 2}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert answer.json()["detail"] == "The body names 'a' twice in one object."


def public_key(kid: str) -> dict[str, Any]:
    return dict(OKPKey.generate_key("Ed25519", {"kid": kid}).as_dict(private=False))


def twice(text: str) -> str:
    """The object with its first name a second time."""
    return f'{text[:-1]}, "keys": []}}'


def two(keys: Callable[[str], dict[str, Any]], *kids: str) -> dict[str, Any]:
    return {"keys": [keys(kid) for kid in kids]}


def private_key(kid: str) -> dict[str, Any]:
    return dict(OKPKey.generate_key("Ed25519", {"kid": kid}).as_dict(private=True))


def octets(kid: str) -> dict[str, Any]:
    return {"kty": "oct", "kid": kid, "k": "A" * 43}


def test_keys_that_are_named_twice_sign_nothing() -> None:
    right = json.dumps(two(private_key, "a", "b"))
    SigningKeys(parse_jwk_set(right))
    with pytest.raises(KeysUnusable, match="names 'keys' twice"):
        parse_jwk_set(twice(right))
    with pytest.raises(KeysUnusable, match="two keys of the JWK set have the same id"):
        SigningKeys(two(private_key, "a", "a"))


def test_keys_of_one_id_are_not_trusted() -> None:
    TrustedKeys(two(public_key, "a", "b"))
    with pytest.raises(KeysUnusable, match="two keys of the JWK set have the same id"):
        TrustedKeys(two(public_key, "a", "a"))


def test_webhook_keys_of_one_id_or_named_twice_encrypt_nothing(tmp_path: Path) -> None:
    def load(text: str) -> None:
        load_sealer(Settings(data_dir=tmp_path, webhook_keys=SecretStr(text)))

    right = json.dumps(two(octets, "a", "b"))
    load(right)
    with pytest.raises(SealUnusable, match="two webhook keys have the same id"):
        load(json.dumps(two(octets, "a", "a")))
    with pytest.raises(ValueError, match="is not a JWK set"):
        load(twice(right))


def test_facts_of_a_stack_that_have_two_meanings_are_none(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.stack.write_text('{"api_url": "http://127.0.0.1:1"}')
    assert folder.published() == {"api_url": "http://127.0.0.1:1"}
    folder.stack.write_text('{"api_url": "http://127.0.0.1:1", "api_url": "http://127.0.0.1:2"}')
    assert folder.published() is None
