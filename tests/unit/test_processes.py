"""A process lives as long as its parts."""

import asyncio

import pytest

from cli.processes import unless_stopped


async def works() -> int:
    return 7


async def waits() -> int:
    await asyncio.sleep(60)
    return 7


async def gives_up() -> None:
    raise asyncio.CancelledError


async def test_a_part_gives_its_result_or_is_stopped() -> None:
    stop = asyncio.Event()
    assert await unless_stopped(works(), stop) == 7
    stop.set()
    assert await unless_stopped(waits(), stop) is None


async def test_a_part_that_ends_untold_ends_the_process() -> None:
    with pytest.raises(RuntimeError, match=r"^gives_up has ended, and nobody told it to$"):
        await unless_stopped(gives_up(), asyncio.Event())
