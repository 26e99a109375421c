"""Signed statements: made under one key, verified by a stranger, refused when a byte differs."""

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.jwk import OctKey, OKPKey
from pydantic import SecretStr

from payflow.auth.keys import KeysUnusable
from payflow.auth.statements import (
    KEY_FILE,
    Signature,
    StatementKeys,
    canonical_form,
    load_statement_keys,
)
from payflow.settings import Settings

STATEMENT: dict[str, Any] = {
    "object": "proof",
    "status": "ok",
    "count": 2**53 - 1,
    "é": ["\u20ac", None, True],
}


def jwk(kid: str, *, private: bool = True) -> dict[str, Any]:
    key: dict[str, Any] = OKPKey.generate_key("Ed25519", {"kid": kid}).as_dict(private=private)
    return key


def public_key(keys: StatementKeys, kid: str) -> Ed25519PublicKey:
    """The key as a stranger reads it from the published set, without our code."""
    (found,) = [key for key in keys.public if key["kid"] == kid]
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(found["x"] + "="))


def test_a_stranger_verifies_what_was_sealed() -> None:
    keys = StatementKeys({"keys": [jwk("new"), jwk("old", private=False)]})
    sealed = keys.seal(STATEMENT)
    form = rfc8785.dumps({**STATEMENT, "key_id": "new"})

    assert sealed == {**STATEMENT, "key_id": "new", "hash": sha256(form).hexdigest()} | {
        "signature": sealed["signature"]
    }
    public_key(keys, "new").verify(base64.b64decode(sealed["signature"]), form)
    assert keys.holds(sealed)
    assert canonical_form(sealed) == form


def test_what_differs_by_anything_does_not_hold() -> None:
    keys = StatementKeys({"keys": [jwk("one"), jwk("two")]})
    sealed = keys.seal(STATEMENT)
    forged = StatementKeys({"keys": [jwk("one")]}).seal(STATEMENT)
    unsigned = {name: value for name, value in sealed.items() if name != "signature"}

    for change in ({"status": "violated"}, {"hash": "0" * 64}, {"key_id": "two"}, {"more": 1}):
        assert not keys.holds({**sealed, **change})
    for wrong in (forged, unsigned, {**sealed, "signature": "?"}, {**sealed, "count": 2**53}):
        assert not keys.holds(wrong)
    assert keys.holds(sealed)


def test_bytes_are_signed_by_the_first_key_and_verified_by_their_own() -> None:
    new, old = jwk("new"), jwk("old")
    before = StatementKeys({"keys": [old]}).sign(b"bytes")
    after = StatementKeys({"keys": [new, {k: v for k, v in old.items() if k != "d"}]})

    assert after.sign(b"bytes").key_id == after.key_id == "new"
    assert after.verify(before, b"bytes")
    assert not after.verify(before, b"other bytes")
    assert not after.verify(Signature("nobody", before.base64), b"bytes")
    assert not StatementKeys({"keys": [new]}).verify(before, b"bytes")


def test_no_private_half_is_published() -> None:
    keys = StatementKeys({"keys": [jwk("new"), jwk("old"), jwk("older", private=False)]})

    assert [key["kid"] for key in keys.public] == ["new", "old", "older"]
    assert not any("d" in key for key in keys.public)


def test_keys_that_cannot_sign_are_refused() -> None:
    other_kind = OctKey.generate_key(256).as_dict(private=True)
    sets: tuple[list[Any], ...] = (
        [jwk("one", private=False)],
        [jwk("one", private=False), jwk("two")],
        [jwk("one"), other_kind],
        [OKPKey.generate_key("X25519").as_dict(private=True)],
        [{}],
    )
    for keys in sets:
        with pytest.raises(KeysUnusable):
            StatementKeys({"keys": keys})
    with pytest.raises(KeysUnusable):
        StatementKeys({})


def test_a_key_is_made_once_in_the_folder_unless_one_is_given(tmp_path: Path) -> None:
    made = load_statement_keys(Settings(data_dir=tmp_path))
    given = SecretStr(json.dumps({"keys": [jwk("mine")]}))

    assert load_statement_keys(Settings(data_dir=tmp_path)).key_id == made.key_id
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert load_statement_keys(Settings(data_dir=tmp_path, proof_keys=given)).key_id == "mine"
