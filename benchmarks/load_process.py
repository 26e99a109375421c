"""The load generator, seen from the run: started once, given job after job."""

import asyncio
import json
import sys
from typing import Self

from benchmarks.errors import BenchFailed
from benchmarks.jobs import Job, Tally

LINE_LIMIT = 64 * 1024 * 1024  # a tally holds each latency


class LoadProcess:
    """A process of its own, so that asking takes no time from what answers in ours."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.load",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._running()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running().pid

    async def do(self, job: Job) -> Tally:
        """What came of the job.

        Raises:
            BenchFailed: an answer was not the one expected, or the process ended.
        """
        process = self._running()
        if process.stdin is None or process.stdout is None:
            raise BenchFailed("the load generator has no pipes")
        process.stdin.write(job.to_line().encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise BenchFailed(f"the load generator ended with code {await process.wait()}")
        tally = Tally(**json.loads(line))
        if tally.wrong:
            raise BenchFailed(f"unexpected answers: {tally.wrong}")
        return tally

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise BenchFailed("the load generator has not been started")
        return self._process
