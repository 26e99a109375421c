"""The overload section: load that waits for nobody, and what is claimed of its answers."""

import asyncio
from collections.abc import Sequence

import pytest

from benchmarks.errors import BenchFailed
from benchmarks.jobs import Job, Order, Stage
from benchmarks.open_loop import CLOSED, OpenLoop
from benchmarks.run import SECTIONS
from benchmarks.sections.overload import Stages, recovered_after_s, rows, staged

Told = list[tuple[float, float, int]]


async def sent(stages: list[Stage], answers_after_s: float = 0.0, *, closes: bool = False) -> Told:
    """What an open loop says of a server that takes its time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(answers_after_s)
            if closes:
                writer.close()
                return
            writer.write(b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        job = Job("127.0.0.1", port, [[Order("GET", "/", "token", "ok")]], 0.0, stages=stages)
        copied = Job.from_line(job.to_line())
        tally = await OpenLoop(copied, (str(key) for key in range(10**6))).tally()
    finally:
        server.close()
    return tally.told


async def test_nobody_waits_for_an_answer_before_asking() -> None:
    told = await sent([Stage(100, 0.2), Stage(200, 0.1)], answers_after_s=0.5)

    assert len(told) == 40
    assert sorted(due for due, _, _ in told)[20] == pytest.approx(0.2)
    assert all(ms >= 500 for _, ms, _ in told)
    assert {status for _, _, status in told} == {503}


async def test_a_connection_that_ends_is_an_answer_of_its_own() -> None:
    assert {status for _, _, status in await sent([Stage(50, 0.1)], closes=True)} == {CLOSED}


def answers(begins: float, *each: tuple[int, float, int]) -> Told:
    """So many answers of these milliseconds and this status, one each 10 ms."""
    flat = [(ms, status) for count, ms, status in each for _ in range(count)]
    return [(begins + at / 100, ms, status) for at, (ms, status) in enumerate(flat)]


CALM = answers(0.0, (400, 20.0, 201))


def stages_of(flood: Sequence[tuple[int, float, int]], *after: tuple[int, float, int]) -> Stages:
    return staged([*CALM, *answers(4.0, *flood), *answers(14.0, *after)], 4.0, 10.0)


def test_an_answer_belongs_to_the_stage_it_was_due_in() -> None:
    found = stages_of([(500, 30.0, 201)], (100, 20.0, 201))

    assert (len(found.calm), len(found.flood), len(found.after)) == (400, 500, 100)


def test_refusals_do_not_flatter_those_who_were_served() -> None:
    found = stages_of([(200, 50.0, 201), (600, 1.0, 503)], (100, 20.0, 201))

    served, refused, recovered = rows(found, 100.0)

    assert (served.value, served.verdict) == (2.5, "reached")
    assert (refused.value, refused.verdict) == (0.02, "aim reached")
    assert (recovered.value, recovered.verdict) == (0.0, "aim reached")


def test_waiting_in_line_to_be_refused_is_missed() -> None:
    found = stages_of([(200, 90.0, 201), (600, 95.0, 503)], (100, 20.0, 201))

    assert [row.verdict for row in rows(found, 100.0)][:2] == ["**missed**", "**missed**"]


@pytest.mark.parametrize("ill", [(1, 20.0, 503), (1, 70.0, 201)])
def test_recovered_is_after_the_last_who_was_refused_or_waited(ill: tuple[int, float, int]) -> None:
    found = stages_of([(500, 30.0, 201)], (160, 20.0, 201), ill, (100, 20.0, 201))

    assert recovered_after_s(found, 60.0) == 2.0


def test_who_never_recovers_has_missed_the_mark() -> None:
    found = stages_of([(500, 30.0, 201)], (1_500, 20.0, 503))

    assert rows(found, 100.0)[2].verdict == "**missed**"


def test_a_tail_of_a_few_is_no_figure() -> None:
    with pytest.raises(BenchFailed):
        rows(stages_of([(50, 30.0, 201), (600, 1.0, 503)], (100, 20.0, 201)), 100.0)


def test_the_section_can_be_asked_for() -> None:
    assert "overload" in SECTIONS
