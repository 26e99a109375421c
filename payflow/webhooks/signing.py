"""Signatures as Standard Webhooks defines them: HMAC-SHA256 over ``id.timestamp.body``.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from payflow.domain.webhook_errors import WebhookSecretInvalid

SECRET_PREFIX = "whsec_"  # noqa: S105  # what a secret begins with
SECRET_BYTES = range(24, 65)  # the standard's bounds
_NEW_SECRET_BYTES = 32  # as long as what SHA-256 puts out
TOLERANCE_S = 300  # the standard's: older or newer messages may be replays
_VERSION = "v1"
_SECONDS = re.compile(r"[0-9]{1,12}")  # 30,000 years; a number without end has no age

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"


class SignatureInvalid(Exception):
    """The message is not one that the holder of the secret has signed just now; says why."""


def new_secret() -> str:
    """A fresh secret, as a subscriber keeps it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_NEW_SECRET_BYTES)).decode()


def secret_bytes(secret: str) -> bytes:
    """The bytes a secret stands for.

    Raises:
        WebhookSecretInvalid: not ``whsec_`` and the base64 of 24 to 64 bytes.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookSecretInvalid from None
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise WebhookSecretInvalid
    return key


def signed_headers(
    message_id: str, at: datetime, body: bytes, keys: Sequence[bytes]
) -> dict[str, str]:
    """The three headers of a message; each key adds a signature, so a rotation breaks nobody."""
    timestamp = str(int(at.timestamp()))
    signatures = (_sign(key, message_id, timestamp, body) for key in keys)
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: " ".join(f"{_VERSION},{signature}" for signature in signatures),
    }


def verify(headers: Mapping[str, str], body: bytes, key: bytes, now: datetime) -> None:
    """Check a message.

    Raises:
        SignatureInvalid: a header is missing, malformed or there twice, the time is off by more
            than five minutes, or no signature is that of the key.
    """
    sent = [(name.lower(), value) for name, value in headers.items()]
    given = dict(sent)
    for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER):
        if not given.get(name):
            raise SignatureInvalid(f"the header {name} is missing")
        if sum(one == name for one, _ in sent) > 1:
            raise SignatureInvalid(f"the header {name} is there twice")
    timestamp = given[TIMESTAMP_HEADER]
    if not _SECONDS.fullmatch(timestamp):
        raise SignatureInvalid(f"{TIMESTAMP_HEADER} is not a number of seconds")
    age_s = now.timestamp() - int(timestamp)
    if abs(age_s) > TOLERANCE_S:
        raise SignatureInvalid(
            f"the message is {abs(age_s):.0f} s {'old' if age_s > 0 else 'in the future'}, "
            f"more than {TOLERANCE_S} s"
        )
    if not given[ID_HEADER].isascii():
        raise SignatureInvalid(f"{ID_HEADER} is not ASCII")
    expected = _sign(key, given[ID_HEADER], timestamp, body)
    found = list(_signatures(given[SIGNATURE_HEADER]))
    if not any(one.isascii() and hmac.compare_digest(expected, one) for one in found):
        raise SignatureInvalid(
            "no signature is that of this secret over this body"
            if found
            else f"{SIGNATURE_HEADER} holds no {_VERSION} signature"
        )


def _sign(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()


def _signatures(header: str) -> Iterator[str]:
    for part in header.split():
        version, comma, signature = part.partition(",")
        if comma and version == _VERSION:
            yield signature
