"""The keys that sign access tokens: given, or made once per data folder and shared by all."""

import json
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from payflow.generated_keys import read_or_create
from payflow.settings import Settings

KEY_FILE = "jwt-keys.json"
_CURVE: Final = "Ed25519"


class KeysUnusable(Exception):
    """The JWK set cannot sign: unreadable, or a key that is no private Ed25519 key."""


class SigningKeys:
    """An ordered set of Ed25519 keys: the first signs, each verifies what it signed."""

    def __init__(self, jwk_set: dict[str, Any]) -> None:
        """Take the keys of a JWK set; a key without ``kid`` gets its thumbprint.

        Raises:
            KeysUnusable: no key, an unreadable one, or one that is no private Ed25519 key.
        """
        keys = _import(jwk_set)
        for key in keys:
            if not isinstance(key, OKPKey) or key.curve_name != _CURVE or not key.is_private:
                raise KeysUnusable(f"key {key.kid} is no private {_CURVE} key")
        self.all = keys
        self.signer = keys.keys[0]

    @property
    def public(self) -> list[dict[str, Any]]:
        """The public halves, as a JWK set has them."""
        return [
            {**key.as_dict(private=False), "kid": str(key.kid), "use": "sig", "alg": _CURVE}
            for key in self.all.keys
        ]

    @property
    def signer_id(self) -> str:
        """The ``kid`` new tokens carry."""
        return str(self.signer.kid)


def load_keys(settings: Settings) -> SigningKeys:
    """The keys from the settings, or the data folder's generated one (made if missing).

    Raises:
        KeysUnusable: what is there cannot sign.
    """
    if settings.jwt_keys is not None:
        return SigningKeys(_parse(settings.jwt_keys.get_secret_value()))
    text = read_or_create(settings.data_dir / KEY_FILE, lambda: json.dumps(_generate()))
    return SigningKeys(_parse(text))


def _generate() -> dict[str, Any]:
    key = OKPKey.generate_key(_CURVE, {"use": "sig"}, auto_kid=True)
    return {"keys": [key.as_dict(private=True)]}


def _parse(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise KeysUnusable("the JWK set is not JSON") from error
    if not isinstance(parsed, dict):
        raise KeysUnusable("the JWK set is not an object")
    return parsed


def _import(jwk_set: dict[str, Any]) -> KeySet:
    try:
        return KeySet.import_key_set({"keys": jwk_set["keys"]})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise KeysUnusable(f"the JWK set cannot be read: {error}") from error
