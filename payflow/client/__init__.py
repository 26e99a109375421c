"""A client of the API, sync and async: retries that cannot pay twice, iterators, typed answers.

    with Client("https://pay.example.com") as alice:
        alice.sign_in("alice@example.com", "correct horse battery")
        sent = alice.make_transfer(
            source_wallet_id=mine, destination_email="bob@example.com",
            amount=1250, currency="USD", wait_s=10,
        )

Every call that moves money carries one idempotency key for all its attempts.
"""

from payflow.client.answers import (
    Batch,
    BatchItem,
    Delivery,
    Endpoint,
    EndpointWithSecret,
    Entry,
    Event,
    Finding,
    Movement,
    Proof,
    Registration,
    Tokens,
    Transfer,
    User,
    Wallet,
)
from payflow.client.clients import AsyncClient, Client
from payflow.client.errors import (
    CallInvalid,
    ClientError,
    Conflict,
    EventInvalid,
    Forbidden,
    Invalid,
    Missing,
    ProblemError,
    RateLimited,
    ServerTrouble,
    Unanswered,
    Unauthenticated,
)
from payflow.client.hooks import verified_event
from payflow.client.retrying import Retries
from payflow.domain.webhook_errors import WebhookSecretInvalid
from payflow.webhooks.signing import SignatureInvalid

__all__ = [
    "AsyncClient",
    "Batch",
    "BatchItem",
    "CallInvalid",
    "Client",
    "ClientError",
    "Conflict",
    "Delivery",
    "Endpoint",
    "EndpointWithSecret",
    "Entry",
    "Event",
    "EventInvalid",
    "Finding",
    "Forbidden",
    "Invalid",
    "Missing",
    "Movement",
    "ProblemError",
    "Proof",
    "RateLimited",
    "Registration",
    "Retries",
    "ServerTrouble",
    "SignatureInvalid",
    "Tokens",
    "Transfer",
    "Unanswered",
    "Unauthenticated",
    "User",
    "Wallet",
    "WebhookSecretInvalid",
    "verified_event",
]
