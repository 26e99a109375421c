"""The benchmark's page says what was missed and what was short; its plots are well-formed."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import report, svg
from benchmarks.errors import BenchFailed
from benchmarks.figures import Mark, Row
from benchmarks.numbers import Circumstances, Measured, read_numbers, write_numbers
from benchmarks.options import FULL, QUICK, Options
from benchmarks.outcome import Chart, CpuLine, Outcome

SVG = "{http://www.w3.org/2000/svg}"
AT = "2026-11-22T23:45:12.805Z"


def row(*samples: float, short: str = "", more: bool = True) -> Row:
    return Row("key", "this ÷ that", samples, Mark(2, 3, more), "4/s against 2/s", short=short)


def measured(outcome: Outcome, options: Options = FULL) -> Measured:
    return Measured(outcome, Circumstances(AT, 90.0, options, {"cores": "2"}))


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314  # our own text


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(report, "IMAGES", tmp_path / "img")
    return tmp_path / "performance.md"


def test_a_missed_row_prints_missed(page: Path) -> None:
    report.write_page(measured(Outcome([row(1.0, 1.5, 5.0)])))

    wanted = "| **1.50 ×** | 1.00 × – 5.00 × | ≥ 2 × | ≥ 3 × | **missed** | 4/s against 2/s |"
    assert wanted in page.read_text()


def test_a_short_row_says_how_short(page: Path) -> None:
    report.write_page(measured(Outcome([row(4.0, short="with 1 of 9")])))

    assert "| one sample | ≥ 2 × | ≥ 3 × | aim reached, but only with 1 of 9 |" in page.read_text()


def test_less_is_better_where_the_mark_says_so(page: Path) -> None:
    report.write_page(measured(Outcome([row(4.0, more=False)])))

    assert "| ≤ 2 × | ≤ 3 × | **missed** |" in page.read_text()


@pytest.mark.parametrize(("options", "claims"), [(QUICK, False), (FULL, True)])
def test_a_quick_run_says_that_it_claims_nothing(
    page: Path, options: Options, claims: bool
) -> None:
    report.write_page(measured(Outcome([row(4.0)]), options))

    assert ("too short to claim anything" not in page.read_text()) is claims


def test_notes_plots_and_the_machine_are_on_the_page(page: Path) -> None:
    outcome = Outcome([row(4.0)], [Chart("plot", "A plot", "<svg/>")], notes=["No figures."])

    report.write_page(measured(outcome))

    text = page.read_text()
    assert "- No figures." in text
    assert "![A plot](img/plot.svg)" in text
    assert "| cores | 2 |" in text
    assert (page.parent / "img" / "plot.svg").read_text() == "<svg/>"


def test_the_load_generator_does_not_count_as_cost(page: Path) -> None:
    lines = [CpuLine("one", {"PayFlow": 1.0, "load generator": 9.0}), CpuLine("two", {"mongod": 2})]

    report.write_page(measured(Outcome([row(4.0)], cpu=lines)))

    text = page.read_text()
    assert "| contender | PayFlow | load generator | mongod | all but the load generator |" in text
    assert "| one | 1.0 | 9.0 | – | 1.0 |" in text
    assert "| two | – | – | 2.0 | 2.0 |" in text


def test_the_numbers_keep_every_sample(tmp_path: Path) -> None:
    outcome = Outcome([row(1.0, 4.0)], raw={"speed": [1, 2]})

    path = write_numbers(measured(outcome, QUICK), tmp_path / "bench")

    numbers = json.loads(path.read_text())
    assert path.name.endswith("-quick.json")
    assert numbers["rows"][0]["samples"] == [1.0, 4.0]
    assert numbers["raw"] == {"speed": [1, 2]}
    assert numbers["circumstances"]["options"]["kind"] == "quick"


def test_a_terminal_shows_the_verdict_without_stars() -> None:
    words = " ".join(report.printed(row(1.0)).split())

    assert words == "1.00 × missed this ÷ that (4/s against 2/s)"


def test_a_section_adds_to_the_whole() -> None:
    whole = Outcome([row(1.0)], notes=["one"], raw={"a": 1})

    whole.add(Outcome([row(2.0)], notes=["two"], raw={"b": 2}))

    assert [each.value for each in whole.rows] == [1.0, 2.0]
    assert (whole.notes, whole.raw) == (["one", "two"], {"a": 1, "b": 2})


def test_bars_are_as_long_as_their_medians() -> None:
    drawn = parsed(svg.bars("A & <B>", "/s", {"half": [1, 2, 3], "whole": [4]}))

    rects = [rect for rect in drawn.iter(f"{SVG}rect") if rect.get("x")]
    half, whole = (float(rect.get("width", "0")) for rect in rects)
    assert whole == pytest.approx(2 * half, abs=0.1)
    assert "A & <B>" in [text.text for text in drawn.iter(f"{SVG}text")]


def test_lines_stay_on_the_page() -> None:
    series = {"a": [(0.0, 0.0), (10.0, 7.3)], "b": [(5.0, 1.0)]}

    drawn = parsed(svg.lines("title", "x", "y", series))

    points = [p for line in drawn.iter(f"{SVG}polyline") for p in line.get("points", "").split()]
    places = [tuple(map(float, point.split(","))) for point in points]
    assert len(places) == 3
    assert all(0 <= x <= svg.WIDTH and 0 <= y <= svg.LINES_HEIGHT for x, y in places)


def test_a_distribution_rises_to_the_99th_percentile() -> None:
    points = svg.distribution([float(value) for value in range(1_001)])

    assert points[0] == (0.0, 0.0)
    assert points[-1] == (990.0, 99.0)
    assert points == sorted(points)


def test_a_page_of_two_runs_has_the_later_rows(page: Path, tmp_path: Path) -> None:
    alternative = replace(row(5.0), key="other")
    whole = Outcome([row(1.0), replace(row(1.0), key="either", instead=alternative), alternative])
    soak = Outcome([row(4.0)], [Chart("plot", "A plot", "<svg/>")], notes=["Soaked."])
    paths = [
        write_numbers(measured(whole), tmp_path / "whole"),
        write_numbers(measured(soak, QUICK), tmp_path / "soak"),
    ]

    report.write_page(*map(read_numbers, paths))

    text = page.read_text()
    assert text.count("this ÷ that") == 3
    assert text.count("one of the two suffices") == 1
    assert "**1.00 ×** | one sample | ≥ 2 × | ≥ 3 × | **missed**" not in text
    assert (text.count("a full run of"), text.count("a quick run of")) == (1, 1)
    assert "- Soaked." in text and "![A plot]" in text


def test_the_page_names_the_sections_of_a_run_that_was_not_whole(page: Path) -> None:
    some = Circumstances(AT, 90.0, FULL, {"cores": "2"}, ("latency", "reading"))
    report.write_page(Measured(Outcome(), some))
    assert f"{AT}, a full run (latency, reading alone) of 1.5 minutes" in page.read_text()


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.json"
    nothing.write_text('{"rows": []}')
    for path in (nothing, tmp_path / "missing.json"):
        with pytest.raises(BenchFailed, match=path.name):
            read_numbers(path)
