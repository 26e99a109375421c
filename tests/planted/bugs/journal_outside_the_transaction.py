"""The journal is written before the transaction commits, and stays when it does not."""

from collections.abc import Sequence
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.storage import posting_group
from payflow.storage.transactions import Collection
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = ("tests/contracts/test_guesses.py::test_nobody_is_refused_by_a_guess",)


async def _at_once(
    journal: Collection, documents: Sequence[dict[str, Any]], session: AsyncClientSession
) -> None:
    await journal.insert_many(documents)


def plant() -> None:
    replace_in("journaled", _at_once, posting_group)
