"""How many transfers accepted here may be under way at once: found out by how long they take.

What a saga waits for (Temporal, MongoDB, workers elsewhere) is not to be seen in this process's
event loop. It shows in the time from acceptance to end: when even the quickest of half a second
took too long, a queue stands somewhere (CoDel, RFC 8289 §3.2: the least sojourn of an interval),
and fewer are accepted, additive increase and multiplicative decrease as in ``api.pressure``.
A single slow saga, held up by a wallet or a fault, proves nothing, as the quickest is looked at.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf

from starlette.types import Scope

from api.pressure import LESS
from payflow.domain.errors import PayflowError
from payflow.domain.transfers import Transfer

FEWEST = 16  # a worker's group commit and lanes want company: with fewer it does less, not sooner
AT_FIRST = 2 * FEWEST  # nobody knows yet what it can do; at 20 ms each these are 1,600 a second
INTERVAL_S = 0.5
MORE = 1.2  # an interval, while sagas are quick and half of the places are taken
TIMES = 5  # a saga's bearable time, in the loop's bearable delays
FOLLOWED_FOR_S = 10.0  # who takes longer is held up by something else, and takes no place for it
CALL = ("POST", "/v1/transfers")
_PLACE = "payflow.saga_place"


class SagaLimit:
    """The number of sagas that may be under way, by the times of those that ended.

    Args:
        most: what it never exceeds.
        bearable_s: the least time of an interval above which there is a queue.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self, most: int, bearable_s: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._bearable_s = bearable_s
        self._now = now
        self._exact = float(min(most, AT_FIRST))
        self._least_s = inf
        self._peak = 0
        self._ends_at = now() + INTERVAL_S

    @property
    def places(self) -> int:
        """How many may be."""
        return int(self._exact)

    def learn(self, took_s: float, under_way: int) -> None:
        """Take into account that one ended, while so many were under way."""
        self._least_s = min(self._least_s, took_s)
        self._peak = max(self._peak, under_way)
        if self._now() < self._ends_at:
            return
        interval_s = INTERVAL_S
        if self._least_s > self._bearable_s:
            self._exact = max(min(FEWEST, self._most), min(self._exact, under_way) * LESS)
            interval_s += self._least_s  # those under way began before this was decided
        elif 2 * self._peak >= self._exact:
            self._exact = min(self._most, self._exact * MORE + 1)
        self._least_s, self._peak, self._ends_at = inf, 0, self._now() + interval_s


class SagaPlace:
    """The place of one transfer, from before it is accepted until it has ended."""

    def __init__(self, pressure: "SagaPressure") -> None:
        self._pressure = pressure
        self._begun = time.monotonic()
        self._here = True
        self.is_kept = False  # beyond its request
        pressure.under_way += 1

    def leave(self) -> None:
        """It is not under way, or not known to be."""
        self._pressure.under_way -= self._here
        self._here = False

    def end(self, transfer: Transfer) -> None:
        """It has ended, if it has: what it took is learnt."""
        if self._here and transfer.status.is_terminal:
            self._pressure.learn(time.monotonic() - self._begun)
        self.leave()


class SagaPressure:
    """Gives places to transfers; none where ``bearable_s`` is None, and everybody is let in."""

    def __init__(self, most: int, bearable_s: float | None) -> None:
        self._limit = None if bearable_s is None else SagaLimit(most, TIMES * bearable_s)
        self._followed: set[asyncio.Task[None]] = set()
        self.under_way = 0

    def lets_in(self, scope: Scope) -> bool:
        """Whether the request is taken; a transfer gets its place with it."""
        if self._limit is None or (scope["method"], scope["path"]) != CALL:
            return True
        if self.under_way >= self._limit.places:
            return False
        scope[_PLACE] = SagaPlace(self)
        return True

    def learn(self, took_s: float) -> None:
        """One ended after so long."""
        if self._limit is not None:
            self._limit.learn(took_s, self.under_way)

    def watch(
        self, scope: Scope, accepted: Transfer, ended: Callable[[float], Awaitable[Transfer]]
    ) -> None:
        """Learn how long a new transfer takes; it keeps its place though its request is answered.

        ``ended`` waits for its end, so many seconds at most.
        """
        place: SagaPlace | None = scope.get(_PLACE)
        if place is None:
            return
        if accepted.status.is_terminal:
            place.end(accepted)
            return
        place.is_kept = True
        task = asyncio.create_task(_until(place, ended))
        self._followed.add(task)
        task.add_done_callback(self._followed.discard)


def answered(scope: Scope) -> None:
    """The request is over; a place that nobody keeps is free."""
    place: SagaPlace | None = scope.get(_PLACE)
    if place is not None and not place.is_kept:
        place.leave()


async def _until(place: SagaPlace, ended: Callable[[float], Awaitable[Transfer]]) -> None:
    try:
        with suppress(PayflowError):
            place.end(await ended(FOLLOWED_FOR_S))
    finally:
        place.leave()
