"""Load that does not wait for answers: requests are sent when they are due, come what may."""

import asyncio
from collections.abc import Iterator
from itertools import cycle
from time import monotonic

from benchmarks.http_client import Connection, rendered
from benchmarks.jobs import Job, Tally

CONNECTIONS = 1_000  # at once; a request that is due later waits for one, which is its latency
CLOSED = 0


class OpenLoop:
    """One job with stages under way; latencies count from when a request was due."""

    def __init__(self, job: Job, keys: Iterator[str]) -> None:
        self._job = job
        self._keys = keys
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._told: list[tuple[float, float, int]] = []
        self._begun = monotonic()

    async def tally(self) -> Tally:
        """Send what each stage asks for; every answer is waited for at the end."""
        orders = [order for orders in self._job.callers for order in orders]
        requests = cycle([rendered(order, self._job.host) for order in orders])
        async with asyncio.TaskGroup() as group:
            for due_s in self._due():
                await asyncio.sleep(max(0.0, self._begun + due_s - monotonic()))
                head, tail = next(requests)
                request = head + next(self._keys).encode() + tail
                group.create_task(self._ask(request, due_s))
        for connection in self._idle:
            connection.close()
        seconds = sum(stage.seconds for stage in self._job.stages)
        return Tally(seconds, [], len(self._told), [], self._told)

    def _due(self) -> Iterator[float]:
        """When each request is due, in seconds from the start."""
        begins = 0.0
        for stage in self._job.stages:
            for number in range(int(stage.per_second * stage.seconds)):
                yield begins + number / stage.per_second
            begins += stage.seconds

    async def _ask(self, request: bytes, due_s: float) -> None:
        async with self._free:
            status = await self._answered(request)
        took_ms = (monotonic() - self._begun - due_s) * 1_000
        self._told.append((round(due_s, 4), round(took_ms, 3), status))

    async def _answered(self, request: bytes) -> int:
        while self._idle and not self._idle[-1].is_open:
            self._idle.pop()  # the server closes what lay idle
        try:
            connection = (
                self._idle.pop()
                if self._idle
                else await Connection.to(self._job.host, self._job.port)
            )
            answer = await connection.ask(request)
        except OSError:
            return CLOSED
        self._idle.append(connection)
        return answer.status
