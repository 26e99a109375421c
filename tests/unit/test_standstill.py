"""A loop that stands still leaves word of where; one that runs leaves none."""

import subprocess
import sys

PROGRAM = """
import asyncio, time
from cli.standstill import standstill_told

def stands_still():
    time.sleep({still_s})

async def main():
    with standstill_told(0.2):
        await asyncio.sleep(0.5)
        stands_still()
    time.sleep(0.3)

asyncio.run(main())
"""


def said(still_s: float) -> str:
    words = (sys.executable, "-c", PROGRAM.format(still_s=still_s))
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stderr


def test_where_it_stood_is_told() -> None:
    assert "in stands_still" in said(0.6)


def test_nothing_is_told_of_one_that_runs() -> None:
    assert said(0.01) == ""
