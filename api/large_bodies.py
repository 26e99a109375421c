"""How much of large bodies a process holds at once, and that one of them is worked on at a time.

A body costs several times its bytes in memory while it is checked and written, and the work on it
competes with every other request for the interpreter. So both are limited: bytes for each account
and for the process, and one piece of one body at a time, in a thread.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec

from payflow.domain.limits import Overloaded

P = ParamSpec("P")

AT_ONCE = 4  # bodies of the largest size in a process; one of them is one account's


class LargeBody:
    """One body, from its first byte until its request is answered."""

    def __init__(self, bodies: "LargeBodies", owner: str) -> None:
        self._bodies = bodies
        self._owner = owner
        self._held = 0

    def add(self, size: int) -> None:
        """So many bytes more have come.

        Raises:
            Overloaded: the account, or the process, has enough of them for now.
        """
        bodies = self._bodies
        if bodies.of_owner[self._owner] + size > bodies.share:
            raise Overloaded(of_caller=True)
        if bodies.held + size > AT_ONCE * bodies.share:
            raise Overloaded
        self._count(size)

    async def work(self, do: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Do a part of the work in a thread, when it is this body's turn."""
        async with self._bodies.turn:
            await asyncio.to_thread(do, *args, **kwargs)

    def end(self) -> None:
        """Nothing of it is held any more."""
        self._count(-self._held)

    def _count(self, size: int) -> None:
        bodies = self._bodies
        self._held += size
        bodies.held += size
        bodies.of_owner[self._owner] += size
        if not bodies.of_owner[self._owner]:
            del bodies.of_owner[self._owner]


class LargeBodies:
    """Those of this process.

    Args:
        largest: bytes of the largest body, and the share of an account.
        max_items: items that one body may have.
    """

    def __init__(self, largest: int, max_items: int) -> None:
        self.share = largest
        self.max_items = max_items
        self.held = 0
        self.of_owner: Counter[str] = Counter()
        self.turn = asyncio.Lock()

    @contextmanager
    def begin(self, owner: str) -> Iterator[LargeBody]:
        """A body of an account's."""
        body = LargeBody(self, owner)
        try:
            yield body
        finally:
            body.end()
