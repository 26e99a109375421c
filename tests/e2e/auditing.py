"""The books as an auditor reads them: in one snapshot, straight from MongoDB."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from payflow.domain.invariants import Invariant
from payflow.proof.books import findings_in
from payflow.proof.sums import Database

__all__ = ["Database", "books_of", "check_the_books", "check_the_sums"]

AT_ANY_TIME = (Invariant.MONEY_IS_CONSERVED, Invariant.NOBODY_BELOW_FLOOR)


@asynccontextmanager
async def books_of(stack: EmbeddedStack) -> AsyncIterator[Database]:
    """The database of a stack."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        stack.addresses.mongo_url, tz_aware=True
    )
    async with client:
        yield client["payflow"]


async def check_the_sums(database: Database) -> None:
    """The rules that are cheap to ask, whatever is under way."""
    assert await findings_in(database, AT_ANY_TIME) == []


async def check_the_books(database: Database) -> None:
    """Every rule of the books, whatever is under way."""
    assert await findings_in(database) == []
