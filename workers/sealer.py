"""The sealer: what was told of a disturbed transfer is kept when Temporal forgets.

Sealing twice changes nothing, so any number of sealers may run.
"""

from payflow.domain.observing import UNOBSERVED, Observer
from payflow.observability.periodic import run_periodically
from temporal.timelines import Timelines

EVERY_S = 1.0


class Sealer:
    """Looks for ended transfers whose attempts were noted, again and again."""

    def __init__(self, timelines: Timelines, observer: Observer = UNOBSERVED) -> None:
        self._observer = observer
        self._timelines = timelines

    async def run(self, interval_s: float = EVERY_S) -> None:
        """Look every ``interval_s`` seconds until cancelled."""
        await run_periodically("sealer", self._timelines.seal_due, interval_s, self._observer)
