"""Quotas counted in this process alone: exact, bounded, and what is left when Redis is away."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from payflow.domain.limits import Quota, Taken, Verdict

# The library's storage in memory has no bound and walks all keys in a thread for every hit: an
# attack from many addresses would be answered with work.
MAX_KEYS = 20_000  # a deque of five moments is 0.7 KB; the key used least recently makes room


def taken(verdict: Verdict) -> Taken:
    """What was taken, where nobody needs to wait for what is left."""
    known: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    known.set_result(verdict)
    return Taken(verdict.passed, known)


class LocalQuotas:
    """The moments at which each key took something, within its window."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._taken: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def take(self, quota: Quota, key: str) -> Verdict:
        """Take one if it is there."""
        moments = self._of(quota, key)
        passed = len(moments) < quota.amount
        if passed:
            moments.append(self._now())
        return self._verdict(quota, moments, passed=passed)

    def look(self, quota: Quota, key: str) -> Verdict:
        """Whether one could be taken."""
        moments = self._of(quota, key)
        return self._verdict(quota, moments, passed=len(moments) < quota.amount)

    def learn(self, verdict: Verdict, key: str) -> None:
        """Know at least as much as somebody who counts for all: so many were taken by now."""
        moments = self._of(verdict.quota, key)
        missing = verdict.quota.amount - verdict.remaining - len(moments)
        moments.extend([self._now()] * missing)

    def forget(self, quota: Quota, key: str) -> None:
        """Give back all that was taken under the key."""
        self._taken.pop((quota.name, key), None)

    def _of(self, quota: Quota, key: str) -> deque[float]:
        """The key's moments that still count."""
        moments = self._taken.setdefault((quota.name, key), deque())
        self._taken.move_to_end((quota.name, key))
        if len(self._taken) > MAX_KEYS:
            self._taken.popitem(last=False)
        begins = self._now() - quota.window_s
        while moments and moments[0] <= begins:
            moments.popleft()
        return moments

    def _verdict(self, quota: Quota, moments: deque[float], *, passed: bool) -> Verdict:
        oldest = moments[0] if moments else self._now()
        return Verdict(
            quota, passed, quota.amount - len(moments), oldest + quota.window_s - self._now()
        )
