"""The people and things of the documentation: requests made of these can be sent as they are."""

from typing import Any

AT = "2026-01-31T12:00:00.000Z"
ALICE_ID = "usr_01KDVE0A4Q5J7TP7S8R9VWXYZ5"
ALICE_WALLET_ID = "wal_01KDVE0A4Q5J7TP7S8R9VWXYZ1"
BOB_WALLET_ID = "wal_01KDVE0A4Q5J7TP7S8R9VWXYZ2"
TRANSFER_ID = "trf_01KDVE0A4Q5J7TP7S8R9VWXYZ3"
BATCH_ID = "bat_01KDVE0A4Q5J7TP7S8R9VWXYZ8"
ENDPOINT_ID = "whe_01KDVE0A4Q5J7TP7S8R9VWXYZ8"
DELIVERY_ID = "whd_01KDVE0A4Q5J7TP7S8R9VWXYZ9"
ROOT_DATE = "2026-01-31"
API_KEY_ID = "key_01KDVE0A4Q5J7TP7S8R9VWXYZ7"
REFRESH_TOKEN = "pfr_8kR2mXq1nVb7cTz5LwJ9hYf3GdS6aPe0uIoQxWvBnMk"  # noqa: S105  # made up

LOGIN = {"email": "alice@example.com", "password": "correct horse battery"}
SIGN_UP = {**LOGIN, "name": "Alice", "phone": "+14155550123"}
MOVEMENT = {"amount": 100_000, "currency": "USD", "reference": "top-up"}
TRANSFER = {
    "source_wallet_id": ALICE_WALLET_ID,
    "destination_wallet_id": BOB_WALLET_ID,
    "amount": 1250,
    "currency": "USD",
    "description": "Lunch",
    "metadata": {"order": "4711"},
}
TRANSFER_BY_EMAIL = {
    "source_wallet_id": ALICE_WALLET_ID,
    "destination_email": "bob@example.com",
    "amount": 1250,
    "currency": "USD",
}
BATCH = {"mode": "independent", "transfers": [TRANSFER, TRANSFER_BY_EMAIL]}
BATCH_CSV = f"""source_wallet_id,destination_wallet_id,amount,currency,metadata
{ALICE_WALLET_ID},{BOB_WALLET_ID},1250,USD,"{{""order"": ""4711""}}"
{ALICE_WALLET_ID},{BOB_WALLET_ID},300,USD,
"""
REASON = {"reason": "The customer asked for it, ticket 4711."}
RULE = {
    "step": "credit",
    "failure_type": "reject",
    "phase": "before",
    "failure_rate": 1.0,
    "transfer_ids": [],
}
SIMULATION = {"enabled": True, "rules": [RULE]}

ENDPOINT = {
    "url": "https://hooks.example.com/payflow",
    "event_types": ["transfer.completed", "transfer.failed"],
    "description": "The shop",
}
REPLAY = {"since": AT}

API_KEY_ORDER = {"name": "The shop", "scopes": ["transfers:read", "transfers:write"]}
API_KEY_ANSWER = {
    "object": "api_key",
    "id": API_KEY_ID,
    **API_KEY_ORDER,
    "hint": "pf_live_8kR2",
    "created_at": AT,
    "expires_at": "2026-05-01T12:00:00.000Z",
    "last_used_at": None,
    "revoked_at": None,
}
NEW_API_KEY_ANSWER = {**API_KEY_ANSWER, "key": "pf_live_8kR2…"}

USER_ANSWER = {
    "object": "user",
    "id": ALICE_ID,
    "email": "alice@example.com",
    "name": "Alice",
    "phone": "+14155550123",
    "role": "user",
    "created_at": AT,
}
WALLET_ANSWER = {
    "object": "wallet",
    "id": ALICE_WALLET_ID,
    "owner_id": ALICE_ID,
    "name": None,
    "currency": "USD",
    "balance": 100_000,
    "held": 0,
    "available": 100_000,
    "status": "active",
    "created_at": AT,
}
TOKENS_ANSWER = {
    "access_token": "eyJhbGciOiJFZDI1NTE5IiwidHlwIjoiYXQrand0In0.…",
    "refresh_token": REFRESH_TOKEN,
    "token_type": "Bearer",
    "expires_in": 900,
}
MOVEMENT_ANSWER = {
    "object": "deposit",
    "id": "dep_01KDVE0A4Q5J7TP7S8R9VWXYZ6",
    "wallet_id": ALICE_WALLET_ID,
    "amount": 100_000,
    "currency": "USD",
    "reference": "top-up",
    "balance_after": 100_000,
    "created_at": AT,
}
ENTRY_ANSWER = {
    "object": "entry",
    "id": "ent_01KDVE0A4Q5J7TP7S8R9VWXYZ7",
    "wallet_id": ALICE_WALLET_ID,
    "sequence": 2,
    "kind": "debit",
    "amount": -1250,
    "currency": "USD",
    "balance_after": 98_750,
    "transfer_id": TRANSFER_ID,
    "movement_id": None,
    "created_at": AT,
}
TRANSFER_ANSWER = {
    "object": "transfer",
    "id": TRANSFER_ID,
    "status": "completed",
    "amount": 1250,
    "currency": "USD",
    "source_wallet_id": ALICE_WALLET_ID,
    "destination_wallet_id": BOB_WALLET_ID,
    "description": "Lunch",
    "metadata": {"order": "4711"},
    "failure": None,
    "refunded": False,
    "needs_attention": False,
    "workflow_id": f"transfer/{TRANSFER_ID}",
    "created_at": AT,
    "updated_at": AT,
    "completed_at": AT,
}
TIMELINE_ANSWER: dict[str, Any] = {
    "object": "timeline",
    "transfer_id": TRANSFER_ID,
    "sealed": True,
    "data": [
        {
            "at": AT,
            "kind": "attempt",
            "leg": "debit",
            "attempt": 1,
            "outcome": "applied",
            "detail": "fast lane",
            "actor": None,
            "duration_ms": 12,
        },
        {
            "at": AT,
            "kind": "state",
            "leg": "debit",
            "attempt": None,
            "outcome": "debited",
            "detail": None,
            "actor": None,
            "duration_ms": 12,
        },
    ],
    "next": None,
}
_KEY_ID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
ROOT_ANSWER: dict[str, Any] = {
    "object": "receipt_root",
    "version": 1,
    "date": ROOT_DATE,
    "starts_at": "2026-01-31T00:00:00.000Z",
    "ends_at": "2026-02-01T00:00:00.000Z",
    "after_position": 4700,
    "through_position": 4711,
    "leaves": 2,
    "root": "9c" * 32,
    "previous_hash": "3d" * 32,
    "key_id": _KEY_ID,
    "hash": "a5" * 32,
    "signature": "A" * 86 + "==",
}
RECEIPT_ANSWER: dict[str, Any] = {
    "object": "receipt",
    "version": 1,
    "transfer": {
        name: TRANSFER_ANSWER[name]
        for name in TRANSFER_ANSWER
        if name not in ("object", "needs_attention", "workflow_id", "updated_at")
    },
    "entries": [
        {"key": f"{TRANSFER_ID}:{leg}", "outcome": outcome, "at": AT, "digest": "5f" * 32}
        for leg, outcome in (
            ("init", None),
            ("debit", "applied"),
            ("credit", "applied"),
            ("post", "applied"),
        )
    ],
    "inclusion": {"index": 1, "path": ["0b" * 32], "root": ROOT_ANSWER},
    "available_after": None,
    "key_id": _KEY_ID,
    "hash": "c7" * 32,
    "signature": "B" * 86 + "==",
}
BATCH_ANSWER = {
    "object": "batch",
    "id": BATCH_ID,
    "mode": "independent",
    "status": "processing",
    "counts": {"total": 2, "completed": 1, "failed": 0, "pending": 1},
    "created_at": AT,
    "completed_at": None,
}
ITEM_ANSWER = {
    "index": 0,
    "transfer": {**TRANSFER_ANSWER, "workflow_id": f"batch/{BATCH_ID}"},
}
EVENT_ANSWER = {
    "id": "evt_01KDVE0A4Q5J7TP7S8R9VWXYZ8",
    "type": "transfer.completed",
    "created_at": AT,
    "sequence": 4,
    "data": TRANSFER_ANSWER,
    "position": 4711,
}
ENDPOINT_ANSWER = {
    "object": "webhook_endpoint",
    "id": ENDPOINT_ID,
    **ENDPOINT,
    "status": "enabled",
    "disabled_reason": None,
    "created_at": AT,
    "updated_at": AT,
}
# made up: 32 zero bytes
ENDPOINT_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="  # noqa: S105
DELIVERY_ANSWER = {
    "object": "webhook_delivery",
    "id": DELIVERY_ID,
    "event_id": "evt_01KDVE0A4Q5J7TP7S8R9VWXYZ4",
    "event_type": "transfer.completed",
    "endpoint_id": ENDPOINT_ID,
    "status": "pending",
    "attempts": [
        {
            "at": AT,
            "status_code": 503,
            "duration_ms": 41,
            "error": None,
            "response": "Back in a minute.",
        }
    ],
    "next_attempt_at": "2026-01-31T12:00:05.000Z",
    "created_at": AT,
}
REPLAY_ANSWER = {
    "object": "webhook_replay",
    "endpoint_id": ENDPOINT_ID,
    "since": AT,
    "deliveries": 3,
    "next_since": None,
}


def list_of(thing: dict[str, Any]) -> dict[str, Any]:
    """A list that holds one thing."""
    return {"object": "list", "data": [thing], "has_more": False, "next_cursor": None}


PROOF: dict[str, Any] = {
    "object": "proof",
    "number": 4711,
    "status": "ok",
    "checked_at": AT,
    "stale_after": "2026-01-31T12:03:00.250Z",
    "snapshot_at": AT,
    "scope": "incremental",
    "transfers_checked": 128_000,
    "feed_position": 512_004,
    "oldest_in_transit": {"transfer_id": TRANSFER_ID, "since": AT},
    "time_to_clear_ms": 38,
    "violations": [],
    "previous_hash": "5f2b51ca2fdc5baa31ec02e002f69aec37cc5a2f0b8d3ed7b0d5e0b2a2f2b0c1",
    "key_id": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "hash": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab",
    "signature": "hgyY0il+MGCjP0JzlnLWG1PPOt7+09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B"
    "hVsPt9g7sVvpAr/MuM0KAg==",
}
PROOF_VIOLATED: dict[str, Any] = {
    **PROOF,
    "status": "violated",
    "violations": [
        {
            "invariant": "changes_have_entries",
            "subject_id": ALICE_WALLET_ID,
            "detail": "says balance 1251, and no entry was posted with it",
        }
    ],
}

FINDING_ID = "fnd_01KDVE0A4Q5J7TP7S8R9VWXYZG"
FINDING: dict[str, Any] = {
    "object": "finding",
    "id": FINDING_ID,
    "status": "open",
    **PROOF_VIOLATED["violations"][0],
    "first_proof": 4710,
    "last_proof": 4711,
    "wallet_ids": [ALICE_WALLET_ID],
    "found_at": AT,
    "closed_at": None,
    "closed_by": None,
    "reason": None,
}
