"""How many requests may be worked on at once: found out, not set.

Additive increase, multiplicative decrease (RFC 5681 §3.1) on a standing delay: what every callback
waits for in the event loop before it runs. A burst that drains is none (CoDel, RFC 8289 §3.1):
the delay must stand.
"""

TICK_S = 0.05  # how often the delay is looked at
STANDS_S = 0.3  # so long without one moment of ease is a queue that stands
STANDS_TICKS = 2  # one long pause (a collection, a laptop's lid) is none
FEWEST = 8  # so few at once are never what the process suffers from
LESS = 0.7  # of what is under way, while the delay stands
MORE = 1.05  # a tick, once it does not: from the fewest back to hundreds within 5 s


class AdaptiveLimit:
    """The number of requests that may be worked on, by the delays it is told of.

    Args:
        most: what it never exceeds.
        bearable_s: a standing delay above it is overload; None never finds any.
    """

    def __init__(self, most: int, bearable_s: float | None) -> None:
        self._most = most
        self._bearable_s = bearable_s
        self._exact = float(most)
        self._late_s = 0.0
        self._late_ticks = 0

    @property
    def now(self) -> int:
        """How many may be."""
        return int(self._exact)

    def learn(self, delay_s: float, working: int) -> None:
        """Take the delay of one tick into account, while so many were worked on."""
        if self._bearable_s is None:
            return
        if delay_s <= self._bearable_s:
            self._late_s, self._late_ticks = 0.0, 0
            self._exact = min(self._most, self._exact * MORE + 0.5)
            return
        self._late_s += TICK_S + delay_s
        self._late_ticks += 1
        if self._late_s >= STANDS_S and self._late_ticks >= STANDS_TICKS:
            fewest = min(FEWEST, self._most)
            self._exact = max(fewest, min(self._exact, working) * LESS)
            self._late_s, self._late_ticks = 0.0, 0  # what was decided shows first
