"""What an idempotency key of a user stands for; it is kept in the journal, never in Redis."""

from typing import Any

from payflow.domain.errors import IdempotencyKeyReused
from payflow.domain.ports import IdempotencyClaim
from payflow.storage.transactions import Collection


async def find_claimed(journal: Collection, claim: IdempotencyClaim) -> dict[str, Any] | None:
    """The journal document that holds the key, read with majority concern.

    Raises:
        IdempotencyKeyReused: it stands for another request.
    """
    document = await journal.find_one(
        {"idempotency.user_id": claim.user_id, "idempotency.key": claim.key}
    )
    if document is not None and document["idempotency"]["request_hash"] != claim.request_hash:
        raise IdempotencyKeyReused
    return document
