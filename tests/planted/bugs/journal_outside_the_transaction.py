"""The journal is written before the transaction commits, and stays when it does not."""

from collections.abc import Sequence
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.storage import posting_group
from payflow.storage.transactions import Collection
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = (
    "tests/contracts/test_guesses.py::test_a_wallet_that_was_frozen_meanwhile_pays_nobody",
)


async def _at_once(
    journal: Collection, documents: Sequence[dict[str, Any]], session: AsyncClientSession
) -> None:
    await journal.insert_many(documents)


def plant() -> None:
    replace_in("journaled", _at_once, posting_group)
