"""Documents and messages that this process found and could not read: counted, logged once each.

One for a process, like the log: whatever reads documents says so here, and the metrics page and
nothing else asks.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from loguru import logger

FORGOTTEN_AFTER_S = 600.0  # the slowest loop comes by once a minute: what it met no more is right
MOST = 10_000  # ids; about 2 MB. With more the oldest are forgotten, and logged again
WHY_MOST = 300  # characters of a reason in the log


class UnreadableDocuments:
    """The ids met lately, by collection."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._met: OrderedDict[tuple[str, str], float] = OrderedDict()

    def note(self, collection: str, document_id: object, why: object) -> None:
        """Count it; log it where it was not met before."""
        key, now = (collection, str(document_id)), self._elapsed()
        self._forget(now)
        is_new = self._met.pop(key, None) is None
        self._met[key] = now
        if len(self._met) > MOST:
            self._met.popitem(last=False)
        if is_new:
            reason = " ".join(str(why).split())[:WHY_MOST]
            logger.error("{} {} cannot be read, passed over: {}", *key, reason)

    def counts(self) -> Counter[str]:
        """How many documents of each collection were met within ``FORGOTTEN_AFTER_S``."""
        self._forget(self._elapsed())
        return Counter(collection for collection, _ in self._met)

    def _forget(self, now: float) -> None:
        while self._met:
            oldest = next(iter(self._met))
            if now - self._met[oldest] <= FORGOTTEN_AFTER_S:
                return
            del self._met[oldest]


UNREADABLE = UnreadableDocuments()
