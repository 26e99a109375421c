"""What is inside a journal document or an event of the event log, as their classes declare it."""

from pydantic import BaseModel, JsonValue


class PostingFields(BaseModel):
    """One account's side of an entry."""

    account: str
    amount: int


class ClaimFields(BaseModel):
    """The idempotency key that an entry holds."""

    user_id: str
    key: str
    request_hash: str


class EventFields(BaseModel):
    """An event; ``data`` holds nothing that JSON cannot express."""

    id: str
    type: str
    sequence: int
    created_at: str
    data: dict[str, JsonValue]
