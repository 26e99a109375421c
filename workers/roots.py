"""Seals the periods' roots: a loop that looks whether one is over.

Sealing twice changes nothing, so any number of these may run.
"""

from payflow.domain.observing import UNOBSERVED, Observer
from payflow.observability.periodic import run_periodically
from payflow.proof.receipts import Receipts

EVERY_S = 30.0  # a day's root is due a minute after midnight


class RootSealer:
    """Looks again and again; it looks more often where periods are short."""

    def __init__(
        self, receipts: Receipts, *, period_s: int, observer: Observer = UNOBSERVED
    ) -> None:
        self._observer = observer
        self._receipts = receipts
        self._every_s = min(EVERY_S, period_s / 10)

    async def run(self) -> None:
        """Look until cancelled; the first look seals what was missed."""
        await run_periodically(
            "roots", self._receipts.seal_due, self._every_s, self._observer, at_once=True
        )
