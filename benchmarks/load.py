"""The load generator's own process: a job a line on stdin, a tally a line on stdout."""

import asyncio
import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count, cycle
from time import monotonic

from benchmarks.http_client import Connection, rendered
from benchmarks.jobs import Job, Order, Tally
from benchmarks.open_loop import OpenLoop

WRONG_KEPT = 5


class _Run:
    """One job under way."""

    def __init__(self, job: Job, keys: Iterator[str]) -> None:
        self._job = job
        self._keys = keys
        self._begun = monotonic()
        self._from = self._begun + job.lead_s
        self._until = self._from + job.seconds
        self._sent = 0
        self._answered = 0
        self._latencies_ms: list[float] = []
        self._wrong: list[str] = []

    async def tally(self) -> Tally:
        """Let every caller ask until the time or the limit is over."""
        callers = self._job.callers
        apart_s = self._job.every_s / len(callers)
        await asyncio.gather(*(self._call(mine, at * apart_s) for at, mine in enumerate(callers)))
        counted_s = monotonic() - self._begun if self._job.limit else self._job.seconds
        return Tally(counted_s, self._latencies_ms, self._answered, self._wrong[:WRONG_KEPT])

    async def _call(self, orders: list[Order], begins_after_s: float) -> None:
        await asyncio.sleep(begins_after_s)
        connection = await Connection.to(self._job.host, self._job.port)
        requests = cycle([(*rendered(order, self._job.host), order) for order in orders])
        while self._may_send():
            head, tail, order = next(requests)
            asked = monotonic()
            try:
                answer = await connection.ask(head + next(self._keys).encode() + tail)
            except ConnectionError as error:
                self._wrong.append(repr(error))
                return
            self._note(asked, monotonic())
            if answer.status >= 400 or order.expect.encode() not in answer.body:
                self._wrong.append(f"{answer.status} {answer.body[:300].decode(errors='replace')}")
            if self._job.every_s:
                await asyncio.sleep(max(0.0, asked + self._job.every_s - monotonic()))
        connection.close()

    def _may_send(self) -> bool:
        self._sent += 1
        if self._job.limit:
            return self._sent <= self._job.limit and not self._wrong
        return monotonic() < self._until and not self._wrong

    def _note(self, asked: float, answered: float) -> None:
        self._answered += 1
        if self._job.limit or self._from <= answered <= self._until:
            self._latencies_ms.append(round((answered - asked) * 1_000, 3))


async def main() -> None:
    """Do jobs until stdin ends, which it does when whoever started us is gone."""
    run = secrets.token_hex(6)
    keys = (f"bench-{run}-{number}" for number in count())
    while line := await asyncio.to_thread(sys.stdin.readline):
        job = Job.from_line(line)
        doing = OpenLoop(job, keys) if job.stages else _Run(job, keys)
        tally = await doing.tally()
        sys.stdout.write(json.dumps(asdict(tally)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
