"""What the API answers, as types; the values are the JSON itself, so a new field breaks nobody."""

from typing import Any, Generic, Literal, TypedDict, TypeVar

T = TypeVar("T")


class Page(TypedDict, Generic[T]):
    """A page of a list."""

    object: Literal["list"]
    data: list[T]
    has_more: bool
    next_cursor: str | None


class User(TypedDict):
    """A user."""

    object: Literal["user"]
    id: str
    email: str
    name: str
    phone: str | None
    role: Literal["user", "operator"]
    created_at: str


class Wallet(TypedDict):
    """A wallet; amounts are minor units of its currency."""

    object: Literal["wallet"]
    id: str
    owner_id: str
    name: str | None
    currency: str
    balance: int
    held: int
    available: int
    status: Literal["active", "frozen", "closed"]
    created_at: str


class Tokens(TypedDict):
    """A session; ``expires_in`` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class Registration(TypedDict):
    """A new user with a first wallet, signed in."""

    user: User
    wallet: Wallet
    tokens: Tokens


class Movement(TypedDict):
    """A deposit or a withdrawal, done."""

    object: Literal["deposit", "withdrawal"]
    id: str
    wallet_id: str
    amount: int
    currency: str
    reference: str | None
    balance_after: int
    created_at: str


class Entry(TypedDict):
    """A line of a wallet's statement; ``amount`` is signed."""

    object: Literal["entry"]
    id: str
    wallet_id: str
    sequence: int
    kind: str
    amount: int
    currency: str
    balance_after: int
    transfer_id: str | None
    movement_id: str | None
    created_at: str


class ReceiptEntry(TypedDict):
    """A journal entry as a receipt tells of it; ``digest`` is of what it posts."""

    key: str
    outcome: Literal["applied", "refused", "voided"] | None
    at: str
    digest: str


class ReceiptRoot(TypedDict):
    """The signed root of a period's tree."""

    object: Literal["receipt_root"]
    version: int
    date: str
    starts_at: str
    ends_at: str
    after_position: int
    through_position: int
    leaves: int
    root: str
    previous_hash: str
    key_id: str
    hash: str
    signature: str


class Inclusion(TypedDict):
    """The proof that a transfer is in a root: its place, and its neighbours on the way up."""

    index: int
    path: list[str]
    root: ReceiptRoot


class Receipt(TypedDict):
    """A signed receipt, for ``payflow verify``; keep it as it is."""

    object: Literal["receipt"]
    version: int
    transfer: dict[str, Any]
    entries: list[ReceiptEntry]
    inclusion: Inclusion | None
    available_after: str | None
    key_id: str
    hash: str
    signature: str


class Failure(TypedDict):
    """Why a transfer failed."""

    code: str
    message: str


class Transfer(TypedDict):
    """A transfer; ``completed`` and ``failed`` are its ends."""

    object: Literal["transfer"]
    id: str
    status: Literal["initiated", "debited", "credited", "completed", "refunding", "failed"]
    amount: int
    currency: str
    source_wallet_id: str
    destination_wallet_id: str
    description: str | None
    metadata: dict[str, str]
    failure: Failure | None
    refunded: bool
    needs_attention: bool
    workflow_id: str
    created_at: str
    updated_at: str
    completed_at: str | None


class Counts(TypedDict):
    """How the items of a batch stand."""

    total: int
    completed: int
    failed: int
    pending: int


class Batch(TypedDict):
    """A batch of transfers."""

    object: Literal["batch"]
    id: str
    mode: Literal["independent", "stop_on_error", "atomic"]
    status: Literal["processing", "completed", "failed"]
    counts: Counts
    created_at: str
    completed_at: str | None


class BatchItem(TypedDict):
    """An item of a batch, counted from 0."""

    index: int
    transfer: Transfer


class Event(TypedDict):
    """What happened; ``data`` is what it is about, as it stood then. Webhooks have no position."""

    id: str
    type: str
    created_at: str
    sequence: int
    data: dict[str, Any]
    position: int


class Endpoint(TypedDict):
    """A webhook endpoint."""

    object: Literal["webhook_endpoint"]
    id: str
    url: str
    event_types: list[str]
    description: str | None
    status: Literal["enabled", "paused", "disabled"]
    disabled_reason: str | None
    created_at: str
    updated_at: str


class EndpointWithSecret(Endpoint):
    """A webhook endpoint with its signing secret, which is shown this once."""

    secret: str


class Attempt(TypedDict):
    """One request to an endpoint: a status code, or an error when no answer came."""

    at: str
    status_code: int | None
    duration_ms: int
    error: str | None
    response: str | None


class Delivery(TypedDict):
    """An event on its way to an endpoint."""

    object: Literal["webhook_delivery"]
    id: str
    event_id: str
    event_type: str
    endpoint_id: str
    status: Literal["pending", "succeeded", "failed", "cancelled"]
    attempts: list[Attempt]
    next_attempt_at: str | None
    created_at: str


class Violation(TypedDict):
    """One thing that is not as it must be."""

    invariant: str
    subject_id: str
    detail: str


class OldestInTransit(TypedDict):
    """The transfer whose money has been in transit for the longest time."""

    transfer_id: str
    since: str


class Proof(TypedDict):
    """A signed proof; it says nothing of the time after ``stale_after``."""

    object: Literal["proof"]
    number: int
    status: Literal["ok", "violated"]
    checked_at: str
    stale_after: str
    snapshot_at: str
    scope: Literal["incremental", "full"]
    transfers_checked: int
    feed_position: int
    oldest_in_transit: OldestInTransit | None
    time_to_clear_ms: int | None
    violations: list[Violation]
    previous_hash: str
    key_id: str
    hash: str
    signature: str


class Finding(Violation):
    """Something the proof has found, open until an operator closes it."""

    object: Literal["finding"]
    id: str
    status: Literal["open", "closed"]
    first_proof: int
    last_proof: int
    wallet_ids: list[str]
    found_at: str
    closed_at: str | None
    closed_by: str | None
    reason: str | None
