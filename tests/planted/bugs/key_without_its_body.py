"""An idempotency key stands for whatever was asked first under it: the body is not compared."""

from typing import Any

from payflow.domain.ports import IdempotencyClaim
from payflow.storage import batches, claims, transfers, wallets
from payflow.storage.transactions import Collection
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = (
    "tests/model/test_model.py::test_the_api_does_as_the_model",
    "tests/e2e/test_races.py::test_many_posts_of_one_key_make_one_transfer",
)


async def _any_body(journal: Collection, claim: IdempotencyClaim) -> dict[str, Any] | None:
    return await journal.find_one(
        {"idempotency.user_id": claim.user_id, "idempotency.key": claim.key}
    )


def plant() -> None:
    replace_in("find_claimed", _any_body, claims, transfers, wallets, batches)
