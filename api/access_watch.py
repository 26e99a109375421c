"""Ends streams and waits whose caller may not see the answer any more.

A request's credentials are checked as it begins. One that stays open is checked again every two
seconds: one check for all open requests of the process, however many there are.
"""

import asyncio
from typing import Self

from loguru import logger

from payflow.auth.admission import Admission, Visitor
from payflow.domain.errors import PayflowError

# What a process remembers of a token (2.5 s) and this pause together are less than 5 s, within
# which nothing is sent any more. A check of 1,000 callers takes MongoDB about 10 ms.
CHECK_EVERY_S = 2.0


class OpenRequest:
    """A stream or a wait whose caller is checked until the block is left."""

    def __init__(self, visitor: Visitor, watch: "AccessWatch") -> None:
        self.visitor = visitor
        self.refusal: PayflowError | None = None
        self._watch = watch
        self._refused = asyncio.Event()

    def __enter__(self) -> Self:
        self._watch.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.discard(self)

    @property
    def is_refused(self) -> bool:
        """Whether the caller may not see the answer any more."""
        return self.refusal is not None

    def refuse(self, why: PayflowError) -> None:
        """The caller may not see the answer any more; the first reason stays."""
        self.refusal = self.refusal or why
        self._refused.set()

    async def refused(self) -> None:
        """Return once the caller may not see the answer any more."""
        await self._refused.wait()


class AccessWatch:
    """Checks the callers of this process's open streams and waits."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._open: set[OpenRequest] = set()
        self._checking: asyncio.Task[None] | None = None

    async def check(self, visitor: Visitor) -> None:
        """Refuse to open a stream for a caller whose session has ended.

        Raises:
            AuthenticationFailed, RoleChanged: it would end at once.
            BooksUnavailable: MongoDB does not answer.
        """
        refusals = await self._admission.refusals({visitor})
        if visitor in refusals:
            raise refusals[visitor]

    def watching(self, visitor: Visitor) -> OpenRequest:
        """A block in which the visitor is checked."""
        return OpenRequest(visitor, self)

    def add(self, request: OpenRequest) -> None:
        """Check the request's visitor from now on."""
        self._open.add(request)
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check_all())

    def discard(self, request: OpenRequest) -> None:
        """Check it no more."""
        self._open.discard(request)

    async def _check_all(self) -> None:
        is_warned = False
        while self._open:  # the task ends by itself: a cancellation could reach the driver
            await asyncio.sleep(CHECK_EVERY_S)
            for request in list(self._open):
                if expired := self._admission.expired(request.visitor):
                    request.refuse(expired)
            try:
                await self._check()
                is_warned = False
            except Exception as error:  # what cannot be read now is read again in two seconds
                if not is_warned:
                    logger.warning("open requests cannot be checked: {!r}", error)
                is_warned = True

    async def _check(self) -> None:
        requests = [one for one in self._open if not one.is_refused]
        refusals = await self._admission.refusals({one.visitor for one in requests})
        for request in requests:
            if why := refusals.get(request.visitor):
                request.refuse(why)
