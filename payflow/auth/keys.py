"""The keys that sign access tokens: given, or made once per data folder and shared by all."""

import json
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from payflow.domain.json_text import JsonInvalid, parse_json
from payflow.generated_keys import read_or_create
from payflow.settings import Settings

KEY_FILE = "jwt-keys.json"
CURVE: Final = "Ed25519"


class KeysUnusable(Exception):
    """The JWK set cannot sign: unreadable, or a key that is no private Ed25519 key."""


class SigningKeys:
    """An ordered set of Ed25519 keys: the first signs, each verifies what it signed."""

    def __init__(self, jwk_set: dict[str, Any]) -> None:
        """Take the keys of a JWK set; a key without ``kid`` gets its thumbprint.

        Raises:
            KeysUnusable: no key, an unreadable one, or one that is no private Ed25519 key.
        """
        keys = import_jwk_set(jwk_set)
        for key in keys:
            if not isinstance(key, OKPKey) or key.curve_name != CURVE or not key.is_private:
                raise KeysUnusable(f"key {key.kid} is no private {CURVE} key")
        self.all = keys
        self.signer = keys.keys[0]

    @property
    def public(self) -> list[dict[str, Any]]:
        """The public halves, as a JWK set has them."""
        return public_halves(self.all)

    @property
    def signer_id(self) -> str:
        """The ``kid`` new tokens carry."""
        return str(self.signer.kid)


def public_halves(keys: KeySet) -> list[dict[str, Any]]:
    """The keys as others may have them (RFC 8037)."""
    return [
        {**key.as_dict(private=False), "kid": str(key.kid), "use": "sig", "alg": CURVE}
        for key in keys.keys
    ]


def load_keys(settings: Settings) -> SigningKeys:
    """The keys from the settings, or the data folder's generated one (made if missing).

    Raises:
        KeysUnusable: what is there cannot sign.
    """
    if settings.jwt_keys is not None:
        return SigningKeys(parse_jwk_set(settings.jwt_keys.get_secret_value()))
    text = read_or_create(settings.data_dir / KEY_FILE, lambda: json.dumps(generate_jwk_set()))
    return SigningKeys(parse_jwk_set(text))


def generate_jwk_set() -> dict[str, Any]:
    """One new private key, as a JWK set."""
    key = OKPKey.generate_key(CURVE, {"use": "sig"}, auto_kid=True)
    return {"keys": [key.as_dict(private=True)]}


def parse_jwk_set(text: str) -> dict[str, Any]:
    """The JWK set of this text.

    Raises:
        KeysUnusable: it is not a JSON object, or one of two meanings.
    """
    try:
        parsed = parse_json(text)
    except JsonInvalid as error:
        raise KeysUnusable(f"the JWK set {error}") from None
    if not isinstance(parsed, dict):
        raise KeysUnusable("the JWK set is not an object")
    return parsed


def import_jwk_set(jwk_set: dict[str, Any]) -> KeySet:
    """Its keys, each with a ``kid``: its own, or its thumbprint.

    Raises:
        KeysUnusable: no key, an unreadable one, or two of one id.
    """
    try:
        found = KeySet.import_key_set({"keys": jwk_set["keys"]})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise KeysUnusable(f"the JWK set cannot be read: {error}") from error
    if len({key.kid for key in found}) != len(found.keys):
        raise KeysUnusable("two keys of the JWK set have the same id (kid)")
    return found
