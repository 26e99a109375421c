"""A cancelled caller leaves; its call to MongoDB runs to its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from payflow.domain.errors import BooksUnavailable
from payflow.storage import uncancelled
from payflow.storage.uncancelled import Calls, end_if_abandoned, finished, safe_to_cancel


class FakeStore:
    """Answers when it is let, and notes what happens to its calls."""

    def __init__(self) -> None:
        self.name = "fake"
        self.let = asyncio.Event()
        self.seen: list[str] = []

    async def read(self, answer: str = "answer", *, fails: bool = False) -> str:
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        self.seen.append("ended")
        if fails:
            raise ConnectionError("away")
        return answer

    async def work(self) -> None:
        while True:
            end_if_abandoned()
            self.seen.append("step")
            await asyncio.sleep(0.01)

    async def pages(self) -> AsyncIterator[int]:
        try:
            for page in range(3):
                await self.read()
                yield page
        finally:
            self.seen.append("closed")

    @safe_to_cancel
    async def wait(self) -> asyncio.Task[None] | None:
        return asyncio.current_task()

    def count(self) -> int:
        return len(self.seen)


async def cancelled(task: asyncio.Task[object]) -> bool:
    """Cancel it twice, as a time limit and a shutdown do; whether it has ended as cancelled."""
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    return task.cancelled()


async def test_a_cancelled_caller_leaves_at_once_and_its_call_ends_by_itself() -> None:
    store, calls = FakeStore(), Calls()
    calling = asyncio.create_task(calls.wrap(store).read())
    assert await cancelled(calling)
    assert calls.abandoned == 1
    store.let.set()
    async with calls:
        pass  # leaving waits for it
    assert (store.seen, calls.abandoned) == (["ended"], 0)


async def test_a_time_limit_around_a_call_is_kept_and_the_call_goes_on() -> None:
    store, calls = FakeStore(), Calls()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await calls.wrap(store).read()
    assert store.seen == []
    store.let.set()
    assert await calls.wrap(store).read("next") == "next"


async def test_an_abandoned_call_that_fails_is_logged_by_none() -> None:
    store, calls = FakeStore(), Calls()
    logged: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: logged.append(context))
    try:
        calling = asyncio.create_task(calls.wrap(store).read(fails=True))
        assert await cancelled(calling)
        store.let.set()
        async with calls:
            pass
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert (store.seen, logged) == (["ended"], [])


async def test_too_many_abandoned_calls_refuse_the_next_until_one_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uncancelled, "ABANDONED_AT_MOST", 2)
    store, calls = FakeStore(), Calls()
    wrapped = calls.wrap(store)
    for _ in range(2):
        assert await cancelled(asyncio.create_task(wrapped.read()))
    with pytest.raises(BooksUnavailable):
        await wrapped.read()
    store.let.set()
    async with calls:
        pass
    assert await wrapped.read() == "answer"


async def test_an_error_reaches_the_caller_who_stayed() -> None:
    store, calls = FakeStore(), Calls()
    store.let.set()
    with pytest.raises(ConnectionError):
        await calls.wrap(store).read(fails=True)


async def test_a_cancelled_reader_of_pages_leaves_when_the_page_is_read() -> None:
    store, calls = FakeStore(), Calls()

    async def read_all() -> list[int]:
        return [page async for page in calls.wrap(store).pages()]

    reading = asyncio.create_task(read_all())
    await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.sleep(0.01)
    assert not reading.done()
    store.let.set()
    await asyncio.wait({reading}, timeout=1)
    assert reading.cancelled()
    assert store.seen == ["ended", "closed"]
    assert await read_all() == [0, 1, 2]


async def test_a_finished_call_keeps_its_cancelled_caller_until_it_has_ended() -> None:
    store = FakeStore()
    calling = asyncio.create_task(finished(store.read()))
    assert not await cancelled_within(calling, 0.05)
    store.let.set()
    with suppress(asyncio.CancelledError):
        await calling
    assert calling.cancelled()
    assert store.seen == ["ended"]


async def cancelled_within(task: asyncio.Task[str], limit_s: float) -> bool:
    for _ in range(2):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait({task}, timeout=limit_s)
    return task.done()


async def test_what_is_no_call_passes_and_what_only_waits_has_no_task_of_its_own() -> None:
    store = FakeStore()
    wrapped = Calls().wrap(store)
    wrapped.name = "changed"
    assert (store.name, wrapped.count()) == ("changed", 0)
    assert await wrapped.wait() is asyncio.current_task()


async def test_a_long_call_ends_at_its_next_step_when_its_caller_has_left() -> None:
    store, calls = FakeStore(), Calls()
    working = asyncio.create_task(calls.wrap(store).work())
    await asyncio.sleep(0.05)
    assert await cancelled(working)
    async with asyncio.timeout(1), calls:
        pass
    assert (calls.abandoned, len(store.seen) > 1) == (0, True)
