"""Work that a process does again and again until it is told to stop, whatever fails in it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from loguru import logger

from payflow.domain.errors import PayflowError
from payflow.domain.observing import UNOBSERVED, Observer


class Failures:
    """The failures of one task: each is counted, and logged where the one before was another."""

    def __init__(self, task: str, observer: Observer = UNOBSERVED) -> None:
        self._task = task
        self._observer = observer
        self._last = ""

    def note(self, error: Exception) -> None:
        """Count it; a failure that nobody expected is logged with its traceback."""
        self._observer.task_failed(self._task)
        said = repr(error)
        if said == self._last:
            return
        self._last = said
        if isinstance(error, PayflowError):
            logger.warning("{}: {}; trying again", self._task, said)
        else:
            logger.opt(exception=error).error("{} failed, trying again", self._task)

    def over(self) -> None:
        """It works again: the next failure is logged, whatever it is."""
        self._last = ""


async def each_by_itself(failures: Failures, works: Iterable[Awaitable[object]]) -> None:
    """Do all of them at the same time; the failure of one is noted, and is not another's."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, Exception):
            failures.note(result)


async def run_periodically(
    task: str,
    work: Callable[[], Awaitable[object]],
    interval_s: float,
    observer: Observer = UNOBSERVED,
    *,
    at_once: bool = False,
) -> None:
    """Do the work every ``interval_s`` seconds until cancelled; no error ends it.

    ``at_once``: the first time now, and not after an interval.
    """
    failures = Failures(task, observer)
    if not at_once:
        await asyncio.sleep(interval_s)
    while True:
        heed_cancellation()
        try:
            await work()
            failures.over()
        except Exception as error:  # whatever it is, the next time may be another
            heed_cancellation()
            failures.note(error)
        await asyncio.sleep(interval_s)


def heed_cancellation() -> None:
    """End a task that was told to, should a driver have taken the word for itself.

    A client's clean-up can swallow the one CancelledError there is; a loop must not live on it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
