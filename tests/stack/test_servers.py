"""The replica set of one keeps its data, and its name, whatever port it is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from cli.binaries import find_binaries
from cli.folder import DataFolder
from cli.ports import PortBook
from cli.servers import mongo_url, mongod
from cli.supervisor import Quiet, Supervisor


@asynccontextmanager
async def running_mongod(folder: DataFolder, port: int) -> AsyncIterator[AsyncMongoClient[Any]]:
    supervisor = Supervisor(folder, Quiet(), lambda: None)
    try:
        await supervisor.start([mongod(find_binaries(), folder, port)])
        async with AsyncMongoClient[Any](
            mongo_url(folder, port), w="majority", journal=True
        ) as client:
            yield client
    finally:
        await supervisor.stop([["mongod"]])


async def test_the_books_outlive_a_stop_even_when_mongod_must_move(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.create()
    ports = PortBook(folder.ports, {})
    async with running_mongod(folder, ports.claim("first")) as client:
        await client["elsewhere"]["notes"].insert_one({"_id": "kept"})

    async with running_mongod(folder, ports.claim("second")) as client:
        found = await client["elsewhere"]["notes"].count_documents({"_id": "kept"})
        config = await client.admin.command("replSetGetConfig")

    assert found == 1
    assert len(config["config"]["members"]) == 1


async def test_a_transaction_nobody_ends_is_ended_within_ten_seconds(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.create()

    async with running_mongod(folder, PortBook(folder.ports, {}).claim("mongod")) as client:
        answer = await client.admin.command(
            {"getParameter": 1, "transactionLifetimeLimitSeconds": 1}
        )

    assert answer["transactionLifetimeLimitSeconds"] == 10
