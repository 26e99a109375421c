"""For those who receive webhooks: an event, once its signature has been checked."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from payflow.client.answers import Event
from payflow.client.errors import EventInvalid
from payflow.domain.json_text import JsonInvalid, parse_json
from payflow.webhooks.signing import secret_bytes, verify


def verified_event(
    headers: Mapping[str, str], body: bytes, secret: str, *, now: datetime | None = None
) -> Event:
    """The event of a webhook; ``body`` is what arrived, byte for byte.

    Raises:
        SignatureInvalid: it is not signed with this secret, or not within five minutes of now.
        WebhookSecretInvalid: the secret is not ``whsec_`` and the base64 of 24 to 64 bytes.
        EventInvalid: it is signed, and is no event, or one that two readers can read differently.
    """
    moment = now or datetime.fromtimestamp(time.time(), UTC)
    verify(headers, body, secret_bytes(secret), moment)
    return cast(Event, event_of(body))


def event_of(body: bytes) -> dict[str, Any]:
    """The event that the body of a webhook holds.

    Raises:
        EventInvalid: it holds none, or one that two readers can read differently.
    """
    try:
        event = parse_json(body)
    except JsonInvalid as error:
        raise EventInvalid(f"The body {error}.") from None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise EventInvalid("The body is no event: it has no type.")
    return event
