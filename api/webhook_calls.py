"""The calls that PayFlow makes: the ``webhooks`` of the OpenAPI document, one for each event."""

from typing import Any

from api.v1 import examples
from payflow.domain.events import EventType


def _ref(model: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model}"}


_SUMMARIES = {
    EventType.TRANSFER_INITIATED: "A transfer was accepted; told to the payer.",
    EventType.TRANSFER_DEBITED: "The money has left the source.",
    EventType.TRANSFER_CREDITED: "The money has reached the destination.",
    EventType.TRANSFER_COMPLETED: "A transfer has ended well.",
    EventType.TRANSFER_REFUNDING: "The credit was refused; the money goes back.",
    EventType.TRANSFER_FAILED: "A transfer has failed; nothing moved, or it was given back.",
    EventType.TRANSFER_NEEDS_ATTENTION: "A transfer is parked until an operator looks at it.",
    EventType.WALLET_DEPOSITED: "Money came into a wallet from outside.",
    EventType.WALLET_WITHDRAWN: "Money left a wallet for the outside.",
    EventType.BATCH_ACCEPTED: "A batch was accepted.",
    EventType.ENDPOINT_TEST: "A test that the endpoint's owner asked for.",
    EventType.ENDPOINT_DISABLED: "An endpoint is delivered to no more.",
    EventType.PROOF_VIOLATED: "The books were found changed; told to operators.",
}
_BATCH = {
    "object": "batch",
    "id": examples.BATCH_ID,
    "owner_id": examples.ALICE_ID,
    "mode": "independent",
    "total": 2,
    "created_at": examples.AT,
}
_BATCH_SCHEMA = {
    "type": "object",
    "required": list(_BATCH),
    "properties": {
        **{name: {"type": "string"} for name in _BATCH},
        "total": {"type": "integer"},
    },
}
_DATA: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "transfer": (_ref("TransferAnswer"), examples.TRANSFER_ANSWER),
    "wallet": (_ref("MovementAnswer"), {**examples.MOVEMENT_ANSWER, "owner_id": examples.ALICE_ID}),
    "batch": (_BATCH_SCHEMA, _BATCH),
    "endpoint": (_ref("EndpointAnswer"), examples.ENDPOINT_ANSWER),
    "proof": (_ref("ProofAnswer"), examples.PROOF_VIOLATED),
}
_STANDS = {
    EventType.TRANSFER_INITIATED: "initiated",
    EventType.TRANSFER_DEBITED: "debited",
    EventType.TRANSFER_CREDITED: "credited",
    EventType.TRANSFER_COMPLETED: "completed",
    EventType.TRANSFER_REFUNDING: "refunding",
    EventType.TRANSFER_FAILED: "failed",
    EventType.TRANSFER_NEEDS_ATTENTION: "debited",
}
_FAILURE = {"code": "credit_rejected", "message": "The credit was rejected."}
_HEADERS = {
    "webhook-id": ("The event's id, the same at each attempt.", str(examples.EVENT_ANSWER["id"])),
    "webhook-timestamp": ("Seconds since 1970 of this attempt.", "1769860800"),
    "webhook-signature": (
        "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; one for each live secret, "
        "separated by spaces.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}


def webhook_calls() -> dict[str, Any]:
    """A path item for each type of event, by the type (OpenAPI 3.1 §4.8.1, ``webhooks``)."""
    return {kind.value: {"post": _call(kind)} for kind in EventType}


def _call(kind: EventType) -> dict[str, Any]:
    return {
        "tags": ["webhooks"],
        "operationId": f"on_{kind.value.replace('.', '_')}",
        "summary": _SUMMARIES[kind],
        "description": "Signed after Standard Webhooks and delivered at least once: check the "
        "signature, and take an event whose `id` was seen before as done.",
        "parameters": [_header(name, *says) for name, says in _HEADERS.items()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _schema(kind), "example": _example(kind)}},
        },
        "responses": {
            "2XX": {"description": "Taken. Anything but a 2xx is tried again, up to ten times."},
            "410": {"description": "Gone: the endpoint is disabled."},
            "429": {"description": "Later: `Retry-After` is honoured, as it is with a 503."},
        },
    }


def _header(name: str, meaning: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": meaning,
        "schema": {"type": "string"},
        "example": example,
    }


def _schema(kind: EventType) -> dict[str, Any]:
    data, _ = _DATA[kind.partition(".")[0]]
    return {
        "type": "object",
        "required": ["id", "type", "created_at", "sequence", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^evt_"},
            "type": {"type": "string", "const": kind.value},
            "created_at": {"type": "string", "format": "date-time"},
            "sequence": {
                "type": "integer",
                "minimum": 0,
                "description": "Rises by one for each event of the same transfer.",
            },
            "data": data,
        },
    }


def _example(kind: EventType) -> dict[str, Any]:
    _, data = _DATA[kind.partition(".")[0]]
    if kind in _STANDS:
        data = _transfer(kind)
    event = {key: value for key, value in examples.EVENT_ANSWER.items() if key != "position"}
    return {**event, "type": kind.value, "data": data}


def _transfer(kind: EventType) -> dict[str, Any]:
    ended = kind in (EventType.TRANSFER_COMPLETED, EventType.TRANSFER_FAILED)
    failed = kind is EventType.TRANSFER_FAILED
    return {
        **examples.TRANSFER_ANSWER,
        "status": _STANDS[kind],
        "completed_at": examples.AT if ended else None,
        "failure": _FAILURE if failed or kind is EventType.TRANSFER_REFUNDING else None,
        "refunded": failed,
        "needs_attention": kind is EventType.TRANSFER_NEEDS_ATTENTION,
    }
