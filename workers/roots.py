"""Seals the periods' roots: a loop that looks whether one is over.

Sealing twice changes nothing, so any number of these may run.
"""

import asyncio

from loguru import logger

from payflow.domain.errors import PayflowError
from payflow.proof.receipts import Receipts

EVERY_S = 30.0  # a day's root is due a minute after midnight


class RootSealer:
    """Looks again and again; it looks more often where periods are short."""

    def __init__(self, receipts: Receipts, *, period_s: int) -> None:
        self._receipts = receipts
        self._every_s = min(EVERY_S, period_s / 10)

    async def run(self) -> None:
        """Look until cancelled; the first look seals what was missed."""
        while True:
            try:
                await self._receipts.seal_due()
            except PayflowError as error:
                logger.warning("roots: {!r}; next look in {} s", error, self._every_s)
            await asyncio.sleep(self._every_s)
