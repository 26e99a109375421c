"""For those who receive webhooks: an event, once its signature has been checked."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from payflow.client.answers import Event
from payflow.webhooks.signing import secret_bytes, verify


def verified_event(
    headers: Mapping[str, str], body: bytes, secret: str, *, now: datetime | None = None
) -> Event:
    """The event of a webhook; ``body`` is what arrived, byte for byte.

    Raises:
        SignatureInvalid: it is not signed with this secret, or not within five minutes of now.
        WebhookSecretInvalid: the secret is not ``whsec_`` and the base64 of 24 to 64 bytes.
    """
    moment = now or datetime.fromtimestamp(time.time(), UTC)
    verify(headers, body, secret_bytes(secret), moment)
    event: Event = json.loads(body)
    return event
