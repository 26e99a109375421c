"""Says where every thread stands when the event loop has stood still."""

import asyncio
import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager

STANDSTILL_S = 20.0
BEATS_EVERY_S = 5.0


@contextmanager
def standstill_told(after_s: float = STANDSTILL_S) -> Iterator[None]:
    """Write all stacks to stderr, which is the log, once the running loop has not run for so long.

    The watching thread needs neither the loop nor the interpreter's lock. It ends nothing: a probe
    that is not answered (``/health/live``) lets the orchestrator do that.
    """
    loop = asyncio.get_running_loop()
    every_s = min(BEATS_EVERY_S, after_s / 4)
    beating: asyncio.TimerHandle

    def beat() -> None:
        nonlocal beating
        faulthandler.dump_traceback_later(after_s)
        beating = loop.call_later(every_s, beat)

    beat()
    try:
        yield
    finally:
        beating.cancel()
        faulthandler.cancel_dump_traceback_later()
