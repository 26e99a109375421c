"""Webhook documents to domain values and back, in one place each."""

import json
from collections.abc import Mapping
from typing import Any

from payflow.domain.event_ports import FeedEvent
from payflow.domain.webhooks import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    SealedSecret,
    delivery_id,
)
from payflow.storage.reading import read_from
from payflow.storage.webhook_documents import WebhookDeliveryDocument, WebhookEndpointDocument

Fields = Mapping[str, Any]


@read_from(WebhookEndpointDocument)
def to_endpoint(fields: Fields) -> Endpoint:
    """A ``webhook_endpoints`` document as the domain knows it."""
    return Endpoint(
        id=fields["_id"],
        owner_id=fields["owner_id"],
        url=fields["url"],
        event_types=tuple(fields["event_types"]),
        created_at=fields["created_at"],
        updated_at=fields["updated_at"],
        secrets=tuple(
            SealedSecret(one["key_id"], one["sealed"], one["expires_at"])
            for one in fields["secrets"]
        ),
        description=fields["description"],
        status=EndpointStatus(fields["status"]),
        disabled_reason=fields["disabled_reason"],
        failing_since=fields["failing_since"],
        answered_in_ms=fields.get("answered_in_ms"),
        owner_away=fields.get("owner_away", False),
    )


def from_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """A new endpoint as its document."""
    return {
        "_id": endpoint.id,
        "owner_id": endpoint.owner_id,
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "description": endpoint.description,
        "status": endpoint.status.value,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "secrets": [secret_fields(secret) for secret in endpoint.secrets],
        "turns": [],
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def secret_fields(secret: SealedSecret) -> dict[str, Any]:
    """A sealed secret as it is kept."""
    return {
        "key_id": secret.key_id,
        "sealed": secret.sealed,
        "expires_at": secret.expires_at,
    }


@read_from(WebhookDeliveryDocument)
def to_delivery(fields: Fields) -> Delivery:
    """A ``webhook_deliveries`` document as the domain knows it."""
    return Delivery(
        id=fields["_id"],
        event_id=fields["event_id"],
        event_type=fields["event_type"],
        endpoint_id=fields["endpoint_id"],
        owner_id=fields["owner_id"],
        body=fields["body"],
        created_at=fields["created_at"],
        status=DeliveryStatus(fields["status"]),
        attempts=tuple(
            Attempt(
                at=one["at"],
                duration_ms=int(one["duration_ms"]),
                status_code=one["status_code"],
                error=one["error"],
                response=one["response"],
            )
            for one in fields["attempts"]
        ),
        tries=int(fields["tries"]),
        next_attempt_at=fields["next_attempt_at"],
        traceparent=fields.get("traceparent"),
    )


def new_delivery(event: FeedEvent, endpoint: Endpoint) -> dict[str, Any]:
    """A delivery that nobody has tried yet, without its times."""
    return {
        "_id": delivery_id(event.id, endpoint.id),
        "event_id": event.id,
        "event_type": event.type,
        "endpoint_id": endpoint.id,
        "owner_id": endpoint.owner_id,
        **({"transfer_id": event.transfer_id} if event.transfer_id else {}),
        **({"traceparent": event.traceparent} if event.traceparent else {}),
        "body": json.dumps(event.body, separators=(",", ":"), ensure_ascii=False),
        "status": DeliveryStatus.PENDING.value,
        "attempts": [],
        "tries": 0,
    }


def attempt_fields(attempt: Attempt) -> dict[str, Any]:
    """An attempt as it is kept."""
    return {
        "at": attempt.at,
        "status_code": attempt.status_code,
        "duration_ms": attempt.duration_ms,
        "error": attempt.error,
        "response": attempt.response,
    }
