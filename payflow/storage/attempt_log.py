"""Notes the attempts that the journal does not tell of, without holding one up.

A note waits in memory until MongoDB takes it: what fails most is a step while MongoDB is away. A
note that a killed process could not write is made up for from the workflow's history.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from loguru import logger
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from payflow.domain.attempts import Key, StepAttempt
from payflow.domain.errors import Trouble
from payflow.observability.periodic import Failures
from payflow.storage.timeline_mapping import attempt_fields, attempt_name
from payflow.storage.transactions import Collection, translated
from payflow.storage.uncancelled import Calls

WAITING_AT_MOST = 10_000  # some 10 MB; past that the oldest are left to the histories
AT_ONCE = 200
KEPT_OF_A_TRANSFER = 500  # 150 kB; the rest is left to the history
AGAIN_S = 0.5
LAST_WORDS_WITHIN_S = 2.0

_DUPLICATE_KEY = 11000


class AttemptLog:
    """Takes notes from this process's steps and writes them to ``timelines``."""

    def __init__(self, timelines: Collection, calls: Calls | None = None) -> None:
        self._timelines = timelines
        self._calls = calls or Calls()
        self._waiting: dict[Key, tuple[str, StepAttempt]] = {}
        self._grown = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        with suppress(Trouble, TimeoutError):
            async with asyncio.timeout(LAST_WORDS_WITHIN_S):
                while self._waiting:
                    await self._write_some()

    def note(self, transfer_id: str, attempt: StepAttempt) -> None:
        """Keep it. Never waits, never raises."""
        while len(self._waiting) >= WAITING_AT_MOST:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[attempt.key] = (transfer_id, attempt)
        self._grown.set()

    async def _write_on(self) -> None:
        failures = Failures("attempt notes")
        while True:
            await self._grown.wait()
            try:
                await self._write_some()
            except Trouble as error:
                logger.debug("attempts wait to be noted: {!r}", error)
                await asyncio.sleep(AGAIN_S)
            except Exception as error:  # a note is not worth the task that takes all others
                failures.note(error)
                self._waiting.clear()
            if not self._waiting:
                self._grown.clear()

    async def _write_some(self) -> None:
        some = dict(list(self._waiting.items())[:AT_ONCE])
        with translated():
            await self._calls.run(write_notes(self._timelines, list(some.values())))
        for key, noted in some.items():
            if self._waiting.get(key) is noted:
                del self._waiting[key]


async def write_notes(timelines: Collection, notes: Sequence[tuple[str, StepAttempt]]) -> None:
    """Add attempts to their transfers' documents, unless those are sealed or full."""
    try:
        await timelines.bulk_write([_added(*note) for note in notes], ordered=False)
    except BulkWriteError as error:
        failures: Sequence[Mapping[str, Any]] = (error.details or {}).get("writeErrors", [])
        if not failures or any(one["code"] != _DUPLICATE_KEY for one in failures):
            raise


def _added(transfer_id: str, attempt: StepAttempt) -> UpdateOne:
    """A sealed or full document does not match; its insertion then meets it, and is passed over."""
    open_for_more = {
        "_id": transfer_id,
        "sealed": False,
        "noted": {"$lt": KEPT_OF_A_TRANSFER},
    }
    name = f"attempts.{attempt_name(attempt)}"
    fields = attempt_fields(attempt)
    return UpdateOne(open_for_more, {"$set": {name: fields}, "$inc": {"noted": 1}}, upsert=True)
