"""Waits for Temporal, then runs a worker until it is told to stop."""

import asyncio

from loguru import logger
from temporalio.client import Client
from temporalio.service import RPCError

from payflow.domain.observing import UNOBSERVED, Observer
from payflow.settings import Settings
from temporal.client import connect
from temporal.search_attributes import ensure_search_attributes

CONNECT_AGAIN_S = 0.5


async def wait_for_temporal(settings: Settings, observer: Observer = UNOBSERVED) -> Client:
    """A connected client, as soon as Temporal answers; its search attributes are registered."""
    warned = False
    while True:
        try:
            client = await connect(settings, observer=observer)
            await ensure_search_attributes(client)
        except (RPCError, RuntimeError, OSError) as error:
            if not warned:
                warned = True
                logger.warning(
                    "temporal at {} does not answer, trying again: {!r}",
                    settings.temporal_address,
                    error,
                )
            await asyncio.sleep(CONNECT_AGAIN_S)
        else:
            return client
