"""What a subscriber's requests are refused for; part of the error tree in ``errors``.

Refused
├── WebhookUrlInvalid           not a URL we could deliver to at all
├── WebhookUrlForbidden         an address we do not deliver to, in any spelling
├── EventTypeUnknown            names what there is
└── WebhookSecretInvalid
Conflict
├── EndpointLimitReached        one user, so many endpoints
└── EndpointNotEnabled          paused or disabled: nothing is sent to it
"""

from payflow.domain.errors import Conflict, Refused
from payflow.domain.webhooks import ALL_EVENTS, EVENT_TYPES


class WebhookUrlInvalid(Refused):
    """The URL has no host, another scheme, or credentials in it."""

    code = "webhook_url_invalid"
    field = "url"

    def __init__(self, why: str) -> None:
        super().__init__(f"The URL {why}.")


class WebhookUrlForbidden(Refused):
    """The URL leads where we do not deliver; one sentence for every reason, so it tells nothing."""

    code = "webhook_url_forbidden"
    field = "url"

    def __init__(self) -> None:
        super().__init__("Events are not delivered to this address; use a public host name.")


class EventTypeUnknown(Refused):
    """There is no such type of event."""

    code = "webhook_event_type_unknown"
    field = "event_types"

    def __init__(self, unknown: str) -> None:
        allowed = ", ".join((ALL_EVENTS, *EVENT_TYPES))
        super().__init__(f"There is no event type {unknown!r}; there are: {allowed}.")


class WebhookSecretInvalid(Refused):
    """The secret is not ``whsec_`` and base64 of 24 to 64 bytes (Standard Webhooks)."""

    code = "webhook_secret_invalid"
    field = "secret"

    def __init__(self) -> None:
        super().__init__("A secret is whsec_ followed by the base64 of 24 to 64 random bytes.")


class EndpointLimitReached(Conflict):
    """The user has as many endpoints as one may have."""

    code = "webhook_endpoint_limit_reached"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A user has at most {limit} webhook endpoints; delete one first.")


class EndpointNotEnabled(Conflict):
    """The endpoint is paused or disabled."""

    code = "webhook_endpoint_not_enabled"

    def __init__(self, endpoint_id: str, status: str) -> None:
        super().__init__(f"Webhook endpoint {endpoint_id} is {status}; enable it first.")
