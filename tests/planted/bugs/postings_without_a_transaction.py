"""Journal, wallets and transfer are written one after the other, and no transaction holds them."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.storage import posting
from payflow.storage.transactions import Client
from tests.planted.planting import Reach, replace_in

T = TypeVar("T")

REACH = Reach.STACK
CAUGHT_BY = ("tests/bank/test_bank.py::test_the_bank_keeps_its_books_whatever_strikes",)


async def _one_by_one(client: Client, work: Callable[[AsyncClientSession], Awaitable[T]]) -> T:
    async with client.start_session() as session:
        return await work(session)


def plant() -> None:
    replace_in("attempt", _one_by_one, posting)
