"""The public halves of keys that somebody trusts: all that a verifier has."""

import base64
import binascii
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.jwk import OKPKey

from payflow.auth.keys import CURVE, KeysUnusable, import_jwk_set
from payflow.auth.statements import canonical_form


class TrustedKeys:
    """A JWK set of public Ed25519 keys, as ``GET /v1/proof/keys`` gives it.

    Raises:
        KeysUnusable: no key, or one that is no Ed25519 key.
    """

    def __init__(self, jwk_set: object) -> None:
        self._keys: dict[str, Ed25519PublicKey] = {}
        for key in import_jwk_set(_checked(jwk_set)):
            public = key.public_key if isinstance(key, OKPKey) else None
            if not isinstance(public, Ed25519PublicKey):
                raise KeysUnusable(f"key {key.kid} is no {CURVE} key")
            self._keys[str(key.kid)] = public

    def holds(self, statement: Mapping[str, Any]) -> bool:
        """Whether one of these keys signed exactly this; never raises."""
        try:
            form = canonical_form(statement)
            key = self._keys[statement["key_id"]]
            key.verify(base64.b64decode(statement["signature"], validate=True), form)
            return bool(sha256(form).hexdigest() == statement["hash"])
        except (
            InvalidSignature,
            binascii.Error,
            KeyError,
            TypeError,
            ValueError,
            rfc8785.CanonicalizationError,
        ):
            return False


def _checked(jwk_set: object) -> dict[str, Any]:
    """The same, unless it is no set of such keys; before a library makes something of it."""
    keys = jwk_set.get("keys") if isinstance(jwk_set, dict) else None
    if not isinstance(keys, list) or not keys:
        raise KeysUnusable('it is no JWK set: {"keys": [...]}')
    for key in keys:
        if not isinstance(key, dict) or key.get("kty") != "OKP":
            raise KeysUnusable(f"it holds what is no {CURVE} key")
    return {"keys": keys}
