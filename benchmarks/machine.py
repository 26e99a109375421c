"""What it was measured on: cores, memory, versions; no names and no paths."""

import os
import platform
import sys
from importlib.metadata import version
from typing import Any

from pymongo import AsyncMongoClient
from redis.asyncio import Redis
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client

from cli.stack import EmbeddedStack

PACKAGES = ("temporalio", "fastapi", "uvicorn", "pymongo", "beanie", "pydantic", "uvloop")


def hardware() -> dict[str, str]:
    """Cores, memory and system."""
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory_gib:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "load before the run": f"{os.getloadavg()[0]:.1f}",
    }


async def versions(stack: EmbeddedStack) -> dict[str, str]:
    """The servers' versions, as they say themselves, and the packages'."""
    where = stack.addresses
    mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(where.mongo_url)
    async with mongo, Redis.from_url(where.redis_url) as redis:
        mongod = (await mongo.server_info())["version"]
        cache = (await redis.info("server"))["redis_version"]
    temporal = await Client.connect(where.temporal_address)
    told = await temporal.workflow_service.get_system_info(GetSystemInfoRequest())
    servers = {"MongoDB": mongod, "Redis": cache, "Temporal server": told.server_version}
    return {
        "Python": ".".join(map(str, sys.version_info[:3])),
        **servers,
        **{package: version(package) for package in PACKAGES},
    }
