"""Statements PayFlow signs, proofs and receipts: one canonical form, one set of keys, one seal.

A statement is a JSON object. Its canonical form (RFC 8785) without ``hash`` and ``signature`` is
what is hashed (SHA-256, hexadecimal) and what is signed (Ed25519, RFC 8032, in base64).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc.jwk import OKPKey

from payflow.auth.keys import (
    CURVE,
    KeysUnusable,
    generate_jwk_set,
    import_jwk_set,
    parse_jwk_set,
    public_halves,
)
from payflow.generated_keys import read_or_create
from payflow.settings import Settings

KEY_FILE = "proof-keys.json"
_SEAL = ("hash", "signature")  # what a statement's canonical form is without


class Signature(NamedTuple):
    """A signature in base64, and the id of the key that made it."""

    key_id: str
    base64: str


class StatementKeys:
    """An ordered set of Ed25519 keys: the first signs, each verifies what it signed.

    All but the first may be public halves only: keys of the past, which stay listed for as long
    as what they signed is shown to anybody.
    """

    def __init__(self, jwk_set: dict[str, Any]) -> None:
        """Take the keys of a JWK set; a key without ``kid`` gets its thumbprint.

        Raises:
            KeysUnusable: no key, one that is no Ed25519 key, or a first one that is not private.
        """
        keys = import_jwk_set(jwk_set)
        self._public: dict[str, Ed25519PublicKey] = {}
        for key in keys:
            if not isinstance(key, OKPKey) or key.curve_name != CURVE:
                raise KeysUnusable(f"key {key.kid} is no {CURVE} key")
            public = key.public_key
            assert isinstance(public, Ed25519PublicKey)  # noqa: S101  # nosec B101  # by its curve
            self._public[str(key.kid)] = public
        first = keys.keys[0]
        private = first.private_key
        if not isinstance(private, Ed25519PrivateKey):
            raise KeysUnusable(f"the first key, {first.kid}, is not private: it has to sign")
        self.key_id = str(first.kid)
        self.public = public_halves(keys)
        self._private = private

    def sign(self, data: bytes) -> Signature:
        """The first key's signature over the bytes."""
        return Signature(self.key_id, base64.b64encode(self._private.sign(data)).decode())

    def verify(self, signature: Signature, data: bytes) -> bool:
        """Whether one of these keys signed the bytes so; never raises."""
        key = self._public.get(signature.key_id)
        if key is None:
            return False
        try:
            key.verify(base64.b64decode(signature.base64, validate=True), data)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def seal(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        """The statement with ``key_id``, ``hash`` and ``signature``."""
        named = {**statement, "key_id": self.key_id}
        form = canonical_form(named)
        return {
            **named,
            "hash": sha256(form).hexdigest(),
            "signature": self.sign(form).base64,
        }

    def holds(self, statement: Mapping[str, Any]) -> bool:
        """Whether a sealed statement is what one of these keys signed; never raises."""
        try:
            form = canonical_form(statement)
            signature = Signature(statement["key_id"], statement["signature"])
            return sha256(form).hexdigest() == statement["hash"] and self.verify(signature, form)
        except (KeyError, TypeError, ValueError, rfc8785.CanonicalizationError):
            return False


def canonical_form(statement: Mapping[str, Any]) -> bytes:
    """What is hashed and signed: RFC 8785, without ``hash`` and ``signature``.

    Raises:
        rfc8785.CanonicalizationError: JSON cannot say it, or an integer is beyond 2^53.
    """
    return rfc8785.dumps({name: value for name, value in statement.items() if name not in _SEAL})


def load_statement_keys(settings: Settings) -> StatementKeys:
    """The keys from the settings, or the data folder's generated one (made if missing).

    Raises:
        KeysUnusable: what is there cannot sign.
    """
    if settings.proof_keys is not None:
        return StatementKeys(parse_jwk_set(settings.proof_keys.get_secret_value()))
    text = read_or_create(settings.data_dir / KEY_FILE, lambda: json.dumps(generate_jwk_set()))
    return StatementKeys(parse_jwk_set(text))
