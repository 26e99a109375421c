"""What Temporal stores of us, encrypted: AES-256-GCM, keys by id, so that they can be rotated.

The first key encrypts, all decrypt. To rotate: put the new key first everywhere, wait until the
last history under the old one is past its retention, take the old one away.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from payflow.domain.errors import PayflowError
from payflow.setting_forms import codec_keys
from payflow.settings import Settings

ENCRYPTED = b"binary/encrypted"  # as Temporal's own samples call it
CIPHER = b"AES-256-GCM"
_ENCODING, _CIPHER, _KEY_ID = "encoding", "encryption-cipher", "encryption-key-id"
_NONCE_BYTES = 12  # NIST SP 800-38D; random, so a key is good for 2^32 payloads


class PayloadUnreadable(PayflowError):
    """A payload was encrypted under a key that is not known here, or it was changed."""

    code = "payload_unreadable"


class AesGcmCodec(PayloadCodec):
    """Encrypts whole payloads, their metadata included; the key's id is authenticated with them.

    Args:
        keys: 32 bytes each, by id; the first encrypts.
    """

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = {key_id.encode(): AESGCM(key) for key_id, key in keys.items()}
        self._key_id = next(iter(self._keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each of them under the first key."""
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted; what was stored before there were keys passes as it is.

        Raises:
            PayloadUnreadable: the key is not known, or a payload was changed.
        """
        return [self._decrypted(payload) for payload in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._key_id].encrypt(nonce, payload.SerializeToString(), self._key_id)
        return Payload(
            metadata={_ENCODING: ENCRYPTED, _CIPHER: CIPHER, _KEY_ID: self._key_id},
            data=nonce + sealed,
        )

    def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get(_ENCODING) != ENCRYPTED:
            return payload
        key_id = payload.metadata.get(_KEY_ID, b"")
        key = self._keys.get(key_id)
        if key is None:
            raise PayloadUnreadable("A payload is encrypted under a key that is not known here.")
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(key.decrypt(nonce, sealed, key_id))
        except (InvalidTag, ValueError) as error:
            raise PayloadUnreadable("A payload is not what was encrypted.") from error


def codec_of(settings: Settings) -> AesGcmCodec | None:
    """The codec of these settings, or None when payloads are stored as they are."""
    if settings.codec_keys is None:
        return None
    return AesGcmCodec(codec_keys(settings.codec_keys.get_secret_value()))
