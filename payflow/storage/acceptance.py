"""New transfers that wait at the same moment are accepted in one transaction.

Like the posting engine for legs: one transaction is written at a time, and what arrives
meanwhile goes into the next. Transfers of a group share nothing but its commit.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.errors import Trouble
from payflow.storage.books_collections import BooksCollections
from payflow.storage.commands import in_line, insertion
from payflow.storage.transactions import in_transaction

MAX_TOGETHER = 50  # some 100 kB; a longer transaction is another's wait


@dataclass(slots=True, eq=False)
class _Waiting:
    """A transfer's two documents, and who waits for their commit."""

    init: dict[str, Any]
    transfer: dict[str, Any]
    written: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Acceptance:
    """Writes new transfers with their ``:init`` documents."""

    def __init__(self, books: BooksCollections) -> None:
        self._books = books
        self._queue: deque[_Waiting] = deque()
        self._serving: asyncio.Task[None] | None = None

    async def write(self, init: dict[str, Any], transfer: dict[str, Any]) -> None:
        """Both documents or none; leaving (a cancelled caller) does not take them out.

        Raises:
            DuplicateKeyError: one of their keys is taken; nothing was written.
            BooksUnavailable: nothing was written. OutcomeUnknown: the commit is in doubt.
        """
        waiting = _Waiting(init, transfer)
        waiting.written.add_done_callback(asyncio.Future.exception)  # seen, though all have left
        self._queue.append(waiting)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        await asyncio.shield(waiting.written)

    async def _serve(self) -> None:
        while self._queue:
            group = [self._queue.popleft() for _ in range(min(MAX_TOGETHER, len(self._queue)))]
            await self._write_group(group)

    async def _write_group(self, group: list[_Waiting]) -> None:
        try:
            await in_transaction(self._books.client, partial(self._insert, group))
        except Exception as error:  # the callers' answer, never the end of the queue
            if len(group) > 1 and not isinstance(error, Trouble):
                # one of them, and nobody else's matter
                await asyncio.gather(*(self._write_group([waiting]) for waiting in group))
                return
            for waiting in group:
                waiting.written.set_exception(error)
        else:
            for waiting in group:
                waiting.written.set_result(None)

    async def _insert(self, group: list[_Waiting], session: AsyncClientSession) -> None:
        journal, transfers = self._books.journal, self._books.transfers
        async with in_line(session, commits=True) as line:
            line.send(insertion(journal, [waiting.init for waiting in group]))
            line.send(insertion(transfers, [waiting.transfer for waiting in group]))
