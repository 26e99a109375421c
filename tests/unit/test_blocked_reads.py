"""A process whose reads hang while a fresh connection answers says so, and ends."""

import asyncio
from typing import Self, cast

import pytest

from payflow.storage import blocked_reads
from payflow.storage.blocked_reads import BLOCKED_AFTER, ENDED_AFTER, BlockedReads
from payflow.storage.transactions import Client


class FakeClient:
    """A client whose ``ping`` is answered, refused or left without an answer."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.admin = self

    async def command(self, name: str) -> None:
        if self.state == "refuses":
            raise ConnectionError(name)
        if self.state == "hangs":
            await asyncio.Event().wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocked_reads, "READ_WITHIN_S", 0.01)
    monkeypatch.setattr(blocked_reads, "READ_EVERY_S", 0.01)


def reads_of(ours: FakeClient, fresh: str) -> BlockedReads:
    return BlockedReads(cast("Client", ours), lambda: cast("Client", FakeClient(fresh)))


async def checked(reads: BlockedReads, times: int) -> bool:
    for _ in range(times):
        await reads.check()
    return reads.are_blocked


@pytest.mark.parametrize("ours", ["hangs", "refuses"])
async def test_reads_that_only_a_fresh_connection_answers_are_blocked(ours: str) -> None:
    reads = reads_of(FakeClient(ours), "answers")
    assert not await checked(reads, BLOCKED_AFTER - 1)
    assert await checked(reads, 1)


@pytest.mark.parametrize("fresh", ["hangs", "refuses"])
async def test_a_mongodb_that_answers_nobody_blocks_no_process(fresh: str) -> None:
    assert not await checked(reads_of(FakeClient("hangs"), fresh), 2 * ENDED_AFTER)


async def test_one_answer_ends_the_suspicion() -> None:
    ours = FakeClient("hangs")
    reads = reads_of(ours, "answers")
    assert await checked(reads, BLOCKED_AFTER)
    ours.state = "answers"
    assert not await checked(reads, 1)
    ours.state = "hangs"
    assert not await checked(reads, BLOCKED_AFTER - 1)


@pytest.mark.parametrize(("ours", "ends"), [("hangs", True), ("answers", False)])
async def test_a_blocked_process_is_ended_and_no_other(ours: str, ends: bool) -> None:
    ended = asyncio.Event()
    reads = reads_of(FakeClient(ours), "answers")
    watching = asyncio.create_task(reads.watch(ended.set))
    try:
        if not ends:
            await asyncio.sleep(3 * ENDED_AFTER * blocked_reads.READ_WITHIN_S)
            assert not ended.is_set()
            return
        async with asyncio.timeout(5):
            await ended.wait()
        assert reads.are_blocked
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
