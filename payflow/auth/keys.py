"""The keys that sign access tokens: given, or made once per data folder and shared by all."""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

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
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        _create(path)
    return SigningKeys(_parse(path.read_text()))


def _create(path: Path) -> None:
    """Write a fresh key, unless another process was first: a link to a name that is taken fails.

    The file is complete and on disk before it has its name, so a kill at any moment leaves
    either no key or a whole one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_synced(draft, json.dumps(_generate()))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _generate() -> dict[str, Any]:
    key = OKPKey.generate_key(_CURVE, {"use": "sig"}, auto_kid=True)
    return {"keys": [key.as_dict(private=True)]}


def _write_synced(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
