"""How many requests are under way, and how many of them are worked on: the rest is refused."""

import asyncio
from collections import Counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.health import PROBES
from api.pressure import TICK_S, AdaptiveLimit
from api.problems import problem_of
from api.saga_pressure import SagaPressure, answered
from payflow.domain.limits import Overloaded
from payflow.domain.observing import UNOBSERVED, Observer

# Of the requests under way one account, or one address that nobody signed in from, has this part.
# Four accounts can take it all, one cannot; of 600 these are 150, more than a client has at once.
SHARE = 1 / 4
_PLACE = "payflow.place"


class _Place:
    """One request's place: under way until it ends, worked on until it waits for others."""

    def __init__(self, door: "InFlight") -> None:
        self._door = door
        self._working = self._here = True
        self._owner: str | None = None
        door.under_way += 1
        door.working += 1

    def belongs_to(self, owner: str) -> None:
        """Count it for its owner, or raise ``Overloaded`` when they have their share."""
        if self._door.of_owner[owner] >= self._door.share:
            raise Overloaded(of_caller=True)
        self._owner = owner
        self._door.of_owner[owner] += 1

    def rest(self) -> None:
        """The request waits for what others do, and costs nothing meanwhile."""
        self._door.working -= self._working
        self._working = False

    def leave(self) -> None:
        """The request has ended."""
        self.rest()
        self._door.under_way -= self._here
        self._here = False
        if self._owner is not None:
            self._door.of_owner[self._owner] -= 1
            if not self._door.of_owner[self._owner]:
                del self._door.of_owner[self._owner]
            self._owner = None


class InFlight:
    """Answers 503 at once to what comes beyond ``at_most`` requests, or what can be borne.

    Waiting in line would cost those in it their deadline and everybody memory. Probes always
    pass. An event stream counts until it begins; streams have a limit of their own.

    Args:
        app: what is behind it.
        at_most: requests under way, waiting ones among them.
        bearable_s: standing delay of the event loop above which fewer are worked on.
        sagas: knows whether another transfer can be borne.
        observer: is told of those refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        at_most: int,
        bearable_s: float | None = None,
        sagas: SagaPressure | None = None,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._app = app
        self._sagas = sagas or SagaPressure(at_most, None)
        self._at_most = at_most
        self._limit = AdaptiveLimit(at_most, bearable_s)
        self._watches = bearable_s is None  # nothing to look at, then
        self._observer = observer
        self.under_way = 0
        self.working = 0
        self.share = max(1, int(at_most * SHARE))
        self.of_owner: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind; only HTTP requests are counted."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        self._watch()
        full = self.under_way >= self._at_most or self.working >= self._limit.now
        if full or not self._sagas.lets_in(scope):
            self._observer.overloaded()
            await problem_of(scope, Overloaded())(scope, receive, send)
            return
        place = scope[_PLACE] = _Place(self)

        async def send_noting_streams(message: Message) -> None:
            if message["type"] == "http.response.start" and _begins_stream(message):
                place.leave()
            await send(message)

        try:
            await self._app(scope, receive, send_noting_streams)
        finally:
            place.leave()
            answered(scope)

    def _watch(self) -> None:
        """Look at the loop's delay from the first request on."""
        if not self._watches:
            self._watches = True
            loop = asyncio.get_running_loop()
            loop.call_later(TICK_S, self._tick, loop, loop.time() + TICK_S)

    def _tick(self, loop: asyncio.AbstractEventLoop, due_at: float) -> None:
        now = loop.time()
        self._limit.learn(max(0.0, now - due_at), self.working)
        self._observer.bears(self._limit.now)
        loop.call_at(now + TICK_S, self._tick, loop, now + TICK_S)


def belongs_to(scope: Scope, owner: str) -> None:
    """This request is an account's or an address's, which has a share of those under way.

    Raises:
        Overloaded: the owner has that many already; the others are not concerned.
    """
    place = scope.get(_PLACE)
    if place is not None:
        place.belongs_to(owner)


def rest(scope: Scope) -> None:
    """This request waits from now on; another may be worked on instead."""
    place = scope.get(_PLACE)
    if place is not None:
        place.rest()


def _begins_stream(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
