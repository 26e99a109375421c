"""Whatever holds a collection of MongoDB is behind ``Calls``, also a port that is added later."""

from dataclasses import fields

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from cli.stack import EmbeddedStack
from payflow.storage.attempt_log import AttemptLog
from payflow.storage.books_collections import BooksCollections
from payflow.storage.factory import NOT_WRAPPED, Storage, open_storage
from payflow.storage.uncancelled import Calls
from tests.webhooks.post import settings_for

DRIVER = (AsyncMongoClient, AsyncDatabase, AsyncCollection, BooksCollections)


def has_driver(port: object) -> bool:
    """Whether it, or a layer that it wraps, reaches the driver without ``Calls``."""
    if type(port) is type(Calls().wrap(object())) or isinstance(port, AttemptLog):
        return False  # the log writes by `Calls`
    parts = list(vars(port).values()) if hasattr(port, "__dict__") else []
    return any(isinstance(part, DRIVER) for part in parts) or any(
        has_driver(part) for part in parts if type(part).__module__.startswith("payflow.storage")
    )


async def test_a_port_reaches_mongodb_through_calls_alone(pair: EmbeddedStack) -> None:
    async with open_storage(settings_for(pair)) as storage:
        ports = {field.name: getattr(storage, field.name) for field in fields(Storage)}
        beside = {name for name, port in ports.items() if has_driver(port)}
        wrapped = {name for name, port in ports.items() if type(port).__name__ == "_Uncancelled"}
    assert beside == {"reads"}  # it gives up by itself, through `Calls` of its own
    assert wrapped == ports.keys() - NOT_WRAPPED
