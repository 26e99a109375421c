"""``payflow``, whose MongoDB clients SIGUSR1 blocks: the lock of each topology is taken for ever.

What Python 3.11 left behind when a caller was cancelled at the wrong moment (decision 0023).
"""

import asyncio
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import AsyncMongoClient

import cli.processes
from cli.main import app
from cli.standstill import standstill_told


def _block() -> None:
    gc.unfreeze()  # an API freezes what it has made as it starts: it would not be listed
    for client in [one for one in gc.get_objects() if isinstance(one, AsyncMongoClient)]:
        taking = client._topology._lock.acquire()
        _kept.append(asyncio.ensure_future(taking))


_kept: list[asyncio.Future[bool]] = []


@contextmanager
def _told_and_blockable() -> Iterator[None]:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _block)
    with standstill_told():
        yield


if __name__ == "__main__":
    vars(cli.processes)["standstill_told"] = _told_and_blockable
    app()
