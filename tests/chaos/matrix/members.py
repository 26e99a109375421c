"""Two more members beside a stack's mongod, so that its primary can step down."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pymongo import AsyncMongoClient

from cli import servers
from cli.binaries import Binaries
from cli.child import Child
from cli.folder import DataFolder
from cli.ports import LOOPBACK, PortBook

MEMBERS = ("second", "third")
CACHE_GB = "0.25"
START_WITHIN_S = 60.0


@asynccontextmanager
async def more_members(
    binaries: Binaries, folder: DataFolder, mongo_url: str
) -> AsyncIterator[None]:
    """Add them to the stack's replica set, and wait until all have its data."""
    ports = PortBook(folder.root / "member-ports.json", {})
    children = [_member(binaries, folder, name, ports.claim(name)) for name in MEMBERS]
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url)
    try:
        await asyncio.gather(*(child.start(START_WITHIN_S) for child in children))
        async with client:
            for number, child in enumerate(children, start=1):
                await _add(client, number, f"{LOOPBACK}:{child.spec.port}")
            yield
    finally:
        await asyncio.gather(*(child.stop() for child in children))


def _member(binaries: Binaries, folder: DataFolder, name: str, port: int) -> Child:
    root = DataFolder(folder.root / name)
    root.create()
    shutil.copy(folder.credentials, root.credentials)  # members of a set have one key
    spec = servers.mongod(binaries, root, port)
    words = [CACHE_GB if word == str(servers.MONGO_CACHE_GB) else word for word in spec.command]
    ready = replace(
        spec,
        name=f"mongod-{name}",
        command=tuple(words),
        wait_ready=lambda: servers.until(lambda: servers.is_listening(port)),
    )
    return Child(ready, root)


async def _add(client: AsyncMongoClient[dict[str, Any]], number: int, address: str) -> None:
    config = (await client.admin.command("replSetGetConfig"))["config"]
    config["version"] += 1
    config["members"].append({"_id": number, "host": address})
    await client.admin.command("replSetReconfig", config)

    async def is_there() -> bool:
        status = await client.admin.command("replSetGetStatus")
        states = {member["name"]: member["stateStr"] for member in status["members"]}
        return states.get(address) == "SECONDARY"

    async with asyncio.timeout(START_WITHIN_S):
        await servers.until(is_there)
