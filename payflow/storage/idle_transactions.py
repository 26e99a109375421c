"""End what a dead process left: its open transaction locks every wallet it wrote.

A killed worker's transaction holds its wallets until the server's ``transactionLifetimeLimit``
(10 s here, 60 s by default). Killing its session frees them at once.
"""

from loguru import logger
from pymongo.read_concern import ReadConcern

from payflow.storage.connection import APP_NAME
from payflow.storage.transactions import Client

_LOCAL = ReadConcern("local")  # the server refuses $currentOp with any other, ours included
IDLE_FOR_US = 1_000_000  # a live engine's transaction is never idle for a second


async def end_idle_transactions(client: Client) -> int:
    """Kill PayFlow's sessions whose transaction has been idle for more than a second.

    Returns:
        How many sessions were ended.
    """
    idle = await client.get_database("admin", read_concern=_LOCAL).aggregate(
        [
            {"$currentOp": {"idleSessions": True, "allUsers": True}},
            {
                "$match": {
                    "type": "idleSession",
                    "transaction.timeInactiveMicros": {"$gt": IDLE_FOR_US},
                    "$or": [{"appName": APP_NAME}, {"client": {"$exists": False}}],
                }
            },
            {"$project": {"lsid": 1}},
        ]
    )
    sessions = [{"id": operation["lsid"]["id"]} async for operation in idle]
    if sessions:
        await client.admin.command({"killSessions": sessions})
        logger.warning("ended {} sessions whose process is gone", len(sessions))
    return len(sessions)
