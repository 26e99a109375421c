"""The picture is XML whatever stands in it, shows what the timeline says, and stays on paper."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.attempts import Lane
from payflow.domain.timeline import Next, Timeline, tell
from payflow.domain.timeline_picture import BAD, GOOD, WIDTH, picture, text
from payflow.domain.timeline_ports import ActOnTransfer
from payflow.domain.timeline_rows import Row, RowKind
from payflow.domain.timeline_scale import Scale, spoken
from tests.fakes import START, transfer
from tests.unit.test_attempts import attempt
from tests.unit.test_timeline import LONG_AFTER, seen_by
from tests.unit.timelines import (
    COMPLETED,
    NEVER_DEBITED,
    OPERATOR,
    PICTURE,
    REFUNDED,
    at,
    delivery,
    example_picture,
    record,
)

NAMES = {"svg": "http://www.w3.org/2000/svg"}
ANY_TEXT = st.text(max_size=400)
TEMPTING = st.sampled_from(
    ["<script>", "]]>", "&amp;", '"', "'", "\x00", "\ud800", "\ufffe", "-->", "a\r\nb"]
)

ROWS = st.lists(
    st.builds(
        Row,
        at=st.integers(0, 10**9).map(at),
        kind=st.sampled_from(RowKind),
        leg=st.sampled_from(["debit", "credit", "post"]),
        attempt=st.integers(1, 9),
        outcome=st.one_of(st.none(), ANY_TEXT, TEMPTING, st.sampled_from(["failed", "applied"])),
        detail=st.one_of(st.none(), ANY_TEXT, TEMPTING),
        duration_ms=st.one_of(st.none(), st.integers(0, 10**7)),
    ),
    max_size=20,
)


def drawn(timeline: Timeline) -> ET.Element:
    return ET.fromstring(picture(timeline))  # noqa: S314  # our own text is what is tested


@given(ROWS, st.one_of(ANY_TEXT, TEMPTING))
def test_it_is_well_formed_and_on_paper_whatever_stands_in_it(rows: list[Row], what: str) -> None:
    timeline = Timeline(transfer(), False, tuple(sorted(rows, key=lambda r: r.at)), Next(what))
    root = drawn(timeline)
    assert {one.tag.rpartition("}")[2] for one in root.iter()} <= {
        *("svg", "title", "rect", "text", "line", "circle", "g"),
    }
    for bar in root.iterfind(".//svg:g/svg:rect", NAMES):
        assert 0 <= float(bar.attrib["x"]) <= WIDTH
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= WIDTH


@given(st.one_of(ANY_TEXT, TEMPTING))
def test_text_comes_back_as_it_was_but_for_what_xml_forbids(value: str) -> None:
    back = ET.fromstring(f"<a>{text(value, 1_000)}</a>").text or ""  # noqa: S314
    assert len(back) == len(value)
    pairs = zip(value, back, strict=True)
    allowed = [(a, b) for a, b in pairs if b != "\N{REPLACEMENT CHARACTER}"]
    assert all(a == b for a, b in allowed)


def words(timeline: Timeline) -> str:
    return " ".join(one.text or "" for one in drawn(timeline).iterfind(".//svg:text", NAMES))


@pytest.mark.parametrize("legs", [COMPLETED, REFUNDED, NEVER_DEBITED], ids=len)
def test_it_names_the_transfer_each_step_and_each_state(
    legs: tuple[tuple[str, str, str], ...],
) -> None:
    timeline = seen_by(OPERATOR, legs=legs)
    shown = words(timeline)
    assert timeline.transfer.id in shown
    for leg, outcome, state in legs:
        assert leg in shown
        assert f"fast 1 {outcome}, 10 ms" in shown
        assert state in shown


def colours(timeline: Timeline) -> set[str]:
    bars = drawn(timeline).iterfind(".//svg:g/svg:rect", NAMES)
    return {bar.attrib["fill"] for bar in bars}


def test_failures_are_red_and_only_failures() -> None:
    assert colours(seen_by(OPERATOR)) == {GOOD}
    failed = attempt(1, 0.011, activity_id="9", lane=Lane.FAST, failure="OSError: away")
    assert colours(seen_by(OPERATOR, attempts=[failed])) == {GOOD, BAD}


def test_what_operators_did_and_what_was_delivered_have_lanes() -> None:
    act = ActOnTransfer(at(15), "refund", "usr_OPERATOR", "<b>why</b>", "refunded")
    told = tell(record(acts=[act], deliveries=[delivery(OPERATOR)]), OPERATOR, LONG_AFTER, None)
    shown = words(told)
    assert "operators" in shown
    assert "webhooks" in shown
    assert "refund → refunded" in shown
    assert "operators" not in words(seen_by(OPERATOR))


def test_what_happens_next_is_written_above() -> None:
    waits = replace(seen_by(OPERATOR), next=Next("parked: waits for an operator"))
    assert "Next: parked: waits for an operator" in words(waits)


def test_the_scale_keeps_the_order_and_shortens_pauses() -> None:
    moments = [START, at(10), at(20), at(86_400_000)]
    scale = Scale.of(moments, 100, 900)
    places = [scale.x(moment) for moment in moments]
    assert places == sorted(places)
    assert [places[0], places[-1]] == pytest.approx([100, 900])
    assert places[2] - places[0] > 20  # ten milliseconds are seen beside a day
    assert Scale.of([START], 100, 900).x(START) == 100


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(milliseconds=12), "12 ms"),
        (timedelta(milliseconds=1_500), "1.5 s"),
        (timedelta(seconds=200), "3 min 20 s"),
        (timedelta(minutes=125), "2 h 5 min"),
        (timedelta(hours=99), "4 d 3 h"),
        (timedelta(hours=1), "1 h"),
    ],
)
def test_a_length_is_spoken_short(length: timedelta, said: str) -> None:
    assert spoken(length) == said


def test_the_documentations_example_is_what_is_drawn_today() -> None:
    assert PICTURE.read_text() == example_picture(), "run python -m tests.unit.timelines"
