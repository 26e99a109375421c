"""The sealer: what was told of a disturbed transfer is kept when Temporal forgets.

Sealing twice changes nothing, so any number of sealers may run.
"""

import asyncio

from loguru import logger

from payflow.domain.errors import PayflowError
from temporal.timelines import Timelines

EVERY_S = 1.0


class Sealer:
    """Looks for ended transfers whose attempts were noted, again and again."""

    def __init__(self, timelines: Timelines) -> None:
        self._timelines = timelines

    async def run(self, interval_s: float = EVERY_S) -> None:
        """Look every ``interval_s`` seconds until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self._timelines.seal_due()
            except PayflowError as error:
                logger.warning("sealer: {!r}; next look in {} s", error, interval_s)
