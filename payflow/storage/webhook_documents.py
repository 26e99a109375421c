"""Webhook endpoints and deliveries as Beanie documents, with the question each index answers."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from payflow.domain.webhooks import DeliveryStatus, EndpointStatus
from payflow.storage.stored import StoredDocument


class SealedSecretFields(BaseModel):
    """A signing secret under the key of that id; the secret itself is never stored."""

    key_id: str
    sealed: str
    expires_at: datetime | None


class AttemptFields(BaseModel):
    """One attempt at a delivery."""

    at: datetime
    status_code: int | None
    duration_ms: int
    error: str | None
    response: str | None


class WebhookEndpointDocument(StoredDocument):
    """Where somebody wants their events; ``turns`` are the attempts under way now."""

    owner_id: str
    url: str
    event_types: list[str]
    description: str | None
    status: EndpointStatus
    disabled_reason: str | None
    failing_since: datetime | None
    answered_in_ms: int | None = None
    owner_away: bool = False
    secrets: list[SealedSecretFields]
    turns: list[dict[str, Any]] = Field(default_factory=list)
    created_at: datetime
    updated_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "webhook_endpoints"
        indexes: ClassVar = [
            # the owner's list, newest first; and who is to get an event
            IndexModel([("owner_id", ASCENDING), ("_id", DESCENDING)], name="owner_newest"),
        ]


class WebhookDeliveryDocument(StoredDocument):
    """One event on its way to one endpoint; ``due_at`` is when somebody must have come for it.

    ``expires_at`` is there once it has ended, and while it is held for a paused endpoint: MongoDB
    removes it within a minute after that.
    """

    event_id: str
    event_type: str
    endpoint_id: str
    owner_id: str
    transfer_id: str | None = None
    body: str
    status: DeliveryStatus
    attempts: list[AttemptFields]
    tries: int
    next_attempt_at: datetime | None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    traceparent: str | None = None  # of the request that the event follows from
    created_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "webhook_deliveries"
        indexes: ClassVar = [
            IndexModel([("endpoint_id", ASCENDING), ("_id", DESCENDING)], name="endpoint_newest"),
            IndexModel(
                [("endpoint_id", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)],
                name="endpoint_status_newest",
            ),
            IndexModel([("transfer_id", ASCENDING)], name="transfer", sparse=True),
            # ended long ago
            IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),
            # what nobody has come for; the index holds nothing else
            IndexModel(
                [("status", ASCENDING), ("endpoint_id", ASCENDING), ("due_at", ASCENDING)],
                name="due",
                partialFilterExpression={"status": DeliveryStatus.PENDING.value},
            ),
        ]
