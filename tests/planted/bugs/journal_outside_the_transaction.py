"""The journal is written before the transaction commits, and stays when it does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.storage import posting_group
from payflow.storage.commands import Write, in_line
from tests.planted.overhearing import Overheard
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = (
    "tests/contracts/test_guesses.py::test_a_wallet_that_was_frozen_meanwhile_pays_nobody",
)


@asynccontextmanager
async def _at_once(session: AsyncClientSession, *, commits: bool) -> AsyncIterator[Overheard]:
    async with in_line(session) as line:
        yield (overheard := Overheard(line, passes_on=_is_no_insertion))
        for insertion in overheard.insertions:
            await insertion.collection.insert_many(insertion.command["documents"])


def _is_no_insertion(one: Write) -> bool:
    return "insert" not in one.command


def plant() -> None:
    replace_in("in_line", _at_once, posting_group)
