"""A connection that was opened while its server was nobody is good once the server leads."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError

from cli import servers
from cli.binaries import find_binaries
from cli.child import Child
from cli.credentials import credentials_of
from cli.folder import DataFolder
from cli.ports import LOOPBACK, PortBook
from payflow.settings import Settings
from payflow.storage.connection import open_client
from payflow.storage.transactions import Client, in_transaction

STARTS_WITHIN_S = 60.0


@pytest.fixture
async def nobody(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a member of a set that has not been founded: neither primary nor secondary."""
    folder = DataFolder(tmp_path)
    folder.create()
    port = PortBook(tmp_path / "ports.json", {}).claim("mongod")
    spec = replace(
        servers.mongod(find_binaries(), folder, port),
        wait_ready=lambda: servers.until(lambda: servers.is_listening(port)),
    )
    child = Child(spec, folder)
    await child.start(STARTS_WITHIN_S)
    try:
        key = quote_plus(credentials_of(folder).mongo_key)  # there is no other user yet
        options = "directConnection=true&authSource=local&authMechanism=SCRAM-SHA-256"
        yield f"mongodb://__system:{key}@{LOOPBACK}:{port}/?{options}"
    finally:
        await child.stop()


async def lead(client: Client) -> None:
    """Found the set; its one member leads."""
    address = "{}:{}".format(*(await client.address or ()))
    members = [{"_id": 0, "host": address}]
    await client.admin.command("replSetInitiate", {"_id": servers.REPLICA_SET, "members": members})
    async with asyncio.timeout(30):
        while not (await client.admin.command("hello")).get("isWritablePrimary"):
            await asyncio.sleep(0.05)


async def write(client: Client) -> None:
    await in_transaction(client, lambda s: client.payflow.tried.insert_one({}, session=s))


async def test_it_has_transactions_as_soon_as_its_server_leads(nobody: str) -> None:
    stock: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(nobody, maxPoolSize=1)
    async with open_client(Settings(mongo_url=nobody)) as ours, stock:
        assert (await ours.admin.command("hello"))["isreplicaset"]
        await stock.admin.command("ping")
        await lead(ours)

        await write(ours)
        with pytest.raises(ConfigurationError):  # the day this passes, our pool may go
            await write(stock)
