"""Signing secrets at rest: AES-256-GCM under a key of ours, bound to their endpoint."""

import base64
import json
import secrets
from collections.abc import Mapping
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from payflow.domain.json_text import parse_json
from payflow.domain.webhooks import SealedSecret
from payflow.generated_keys import read_or_create
from payflow.settings import Settings

KEY_FILE = "webhook-keys.json"
_KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D §8.2.2: random, and never 2^32 of them under one key


class SealUnusable(Exception):
    """The keys cannot be read, or do not open what was sealed with them."""


class Sealer:
    """An ordered set of keys: the first seals, each opens what it sealed."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take the keys by their ids, newest first.

        Raises:
            SealUnusable: no key, or one that is not 256 bits long.
        """
        if not keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise SealUnusable("webhook keys are one or more keys of 32 bytes")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.newest = next(iter(keys))

    def seal(
        self, secret: bytes, endpoint_id: str, *, expires_at: datetime | None = None
    ) -> SealedSecret:
        """The secret, so that only our keys and only this endpoint's id open it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self.newest].encrypt(nonce, secret, endpoint_id.encode())
        return SealedSecret(self.newest, base64.b64encode(nonce + sealed).decode(), expires_at)

    def open(self, sealed: SealedSecret, endpoint_id: str) -> bytes:
        """The secret.

        Raises:
            SealUnusable: its key is none of ours, it is damaged, or was sealed for another
                endpoint.
        """
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise SealUnusable(f"there is no webhook key {sealed.key_id}")
        try:
            data = base64.b64decode(sealed.sealed)
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], endpoint_id.encode())
        except (InvalidTag, ValueError):  # ValueError: it is no base64, or too short
            raise SealUnusable(f"a secret of {endpoint_id} does not open") from None

    def seal_again(self, sealed: SealedSecret, endpoint_id: str) -> SealedSecret:
        """The same secret under the newest key."""
        if sealed.key_id == self.newest:
            return sealed
        secret = self.open(sealed, endpoint_id)
        return self.seal(secret, endpoint_id, expires_at=sealed.expires_at)


def load_sealer(settings: Settings) -> Sealer:
    """The keys from the settings, or the data folder's generated one (made if missing).

    Raises:
        SealUnusable: what is there cannot seal.
    """
    if settings.webhook_keys is not None:
        return Sealer(_parse(settings.webhook_keys.get_secret_value()))
    return Sealer(_parse(read_or_create(settings.data_dir / KEY_FILE, _generate)))


def _generate() -> str:
    key = base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).rstrip(b"=").decode()
    return json.dumps({"keys": [{"kty": "oct", "kid": secrets.token_hex(8), "k": key}]})


def _parse(text: str) -> dict[str, bytes]:
    """The keys of a JWK set (RFC 7517) of octet keys, by ``kid``."""
    try:
        found = [(str(key["kid"]), _decoded(key["k"])) for key in parse_json(text)["keys"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SealUnusable("the webhook keys are not a JWK set of octet keys with ids") from None
    if len(dict(found)) != len(found):
        raise SealUnusable("two webhook keys have the same id (kid)")
    return dict(found)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
