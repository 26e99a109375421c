"""What requests about webhooks carry, and the shapes of their answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.v1 import examples
from api.v1.fields import Body, Description, Moment, Token
from api.v1.schemas import PageQuery
from payflow.domain.representation import rfc3339
from payflow.domain.webhooks import ALL_EVENTS, EVENT_TYPES, DeliveryStatus, EndpointStatus
from payflow.webhooks.subscriptions import Replay, Subscription


def _example(*values: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(values)})


# What a URL, a type or a secret must be is said by codes of their own, not by the schema.
Url = Annotated[
    str,
    Field(
        max_length=4_096,
        description="https, a public host name, no credentials; at most 2,048 characters.",
        json_schema_extra={"format": "uri"},
    ),
]
EventTypes = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(
        min_length=1,
        max_length=50,
        description=f"`{ALL_EVENTS}` for all, or some of: {', '.join(EVENT_TYPES)}.",
    ),
]


class NewEndpoint(Body):
    """An endpoint to deliver to; without `secret` one is made."""

    model_config = _example(examples.ENDPOINT)

    url: Url
    event_types: EventTypes
    description: Description | None = None
    secret: Token | None = Field(
        None, description="`whsec_` and the base64 of 24 to 64 random bytes."
    )

    def subscription(self) -> Subscription:
        """The endpoint in the domain's words."""
        return Subscription(self.url, self.event_types, self.description, self.secret)


class EndpointChange(Body):
    """What to change of an endpoint; what is left out stays."""

    model_config = _example({"status": "paused", "description": "The shop, on holiday"})

    url: Url = ""
    event_types: EventTypes = Field(default_factory=list)
    description: Description | None = None
    status: Literal[EndpointStatus.ENABLED, EndpointStatus.PAUSED] = EndpointStatus.ENABLED

    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return self.model_dump(exclude_unset=True, mode="json")


class NewSecret(Body):
    """The secret to sign with from now on; without one it is made."""

    model_config = _example({})

    secret: Token | None = None


class ReplayOrder(Body):
    """From when on to send again."""

    model_config = _example(examples.REPLAY)

    since: Moment


class DeliveryQuery(PageQuery):
    """Which deliveries, and which page of them."""

    status: DeliveryStatus | None = Field(None, description="`failed`: the dead letters.")


class EndpointAnswer(BaseModel):
    """A webhook endpoint."""

    model_config = _example(examples.ENDPOINT_ANSWER)

    object: Literal["webhook_endpoint"]
    id: str
    url: str
    event_types: list[str]
    description: str | None
    status: EndpointStatus
    disabled_reason: str | None
    created_at: str
    updated_at: str


class EndpointSecretAnswer(EndpointAnswer):
    """A webhook endpoint with its secret, which is shown this once."""

    model_config = _example({**examples.ENDPOINT_ANSWER, "secret": examples.ENDPOINT_SECRET})

    secret: str


class AttemptAnswer(BaseModel):
    """One request to the endpoint: a status code, or an error when no answer came."""

    at: str
    status_code: int | None
    duration_ms: int
    error: str | None
    response: str | None


class DeliveryAnswer(BaseModel):
    """An event on its way to an endpoint, with every attempt."""

    model_config = _example(examples.DELIVERY_ANSWER)

    object: Literal["webhook_delivery"]
    id: str
    event_id: str
    event_type: str
    endpoint_id: str
    status: DeliveryStatus
    attempts: list[AttemptAnswer]
    next_attempt_at: str | None
    created_at: str


class ReplayAnswer(BaseModel):
    """How many deliveries set out again; more are left when `next_since` is there."""

    model_config = _example(examples.REPLAY_ANSWER)

    object: Literal["webhook_replay"]
    endpoint_id: str
    since: str
    deliveries: int
    next_since: str | None


def replay_object(endpoint_id: str, replay: Replay) -> dict[str, Any]:
    """What a replay came to."""
    return {
        "object": "webhook_replay",
        "endpoint_id": endpoint_id,
        "since": rfc3339(replay.since),
        "deliveries": replay.deliveries,
        "next_since": rfc3339(replay.next_since) if replay.next_since else None,
    }
