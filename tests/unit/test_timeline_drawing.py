"""Where each thing is drawn, in which colour, with which words: form is the picture's contract."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from payflow.domain.timeline import Next, Timeline
from payflow.domain.timeline_picture import (
    BAD,
    BUSY,
    FAINT,
    GOOD,
    IDLE,
    INK,
    PAPER,
    REFUSED,
    RULE,
    picture,
    text,
)
from payflow.domain.timeline_rows import Row, RowKind
from payflow.domain.transfers import FailureCode, TransferStatus
from tests.fakes import transfer
from tests.unit.timelines import at

SVG = "{http://www.w3.org/2000/svg}"
COLOURS = {
    INK: "ink",
    FAINT: "faint",
    RULE: "rule",
    PAPER: "paper",
    GOOD: "green",
    BAD: "red",
    REFUSED: "orange",
    IDLE: "grey",
    BUSY: "blue",
}


def in_words(one: ET.Element) -> str:
    """An element as one line, its place and its colour first."""
    said = dict(one.attrib)
    match one.tag.removeprefix(SVG):
        case "g":
            title, shape, *words = one
            label = f" {in_words(words[0])}" if words else " (no words)"
            return f"{in_words(shape)}{label} <{title.text}>"
        case "line":
            return f"line {said['x1']},{said['y1']}–{said['x2']},{said['y2']} {_colour(said)}"
        case "circle":
            return f"dot {said['cx']},{said['cy']} {_colour(said)}"
        case "rect":
            place = f"{said.get('x', '0')},{said.get('y', '0')} {said['width']}×{said['height']}"
            return f"bar {place} {_colour(said)}"
        case "text":
            form = [name for name in ("text-anchor", "font-weight") if name in said]
            marks = "".join(f" {said[name]}" for name in form)
            return f"{said['x']},{said['y']} {_colour(said)}{marks} “{one.text}”"
        case other:
            return f"{other}: {one.text}"


def _colour(said: dict[str, str]) -> str:
    return COLOURS[said["fill"] if "fill" in said else said["stroke"]]


def seen(timeline: Timeline) -> list[str]:
    """Everything in the picture, from the back to the front."""
    root = ET.fromstring(picture(timeline))  # noqa: S314  # our own text is what is tested
    return [in_words(one) for one in root]


def of(*rows: Row, **fields: Any) -> Timeline:
    return Timeline(transfer(**fields), False, rows)


def state(ms: float, outcome: str | None) -> Row:
    return Row(at(ms), RowKind.STATE, outcome=outcome, duration_ms=500)


def tried(ms: float, number: int, outcome: str, took_ms: int | None = None, **fields: Any) -> Row:
    whole = {"leg": "debit", "detail": "fast lane", **fields}
    row = Row(at(ms), RowKind.ATTEMPT, attempt=number, outcome=outcome, duration_ms=took_ms)
    return replace(row, **whole)


def sent(ms: float, outcome: str | None, took_ms: int | None = None) -> Row:
    detail = "transfer.failed to whe_1: 204"
    return Row(at(ms), RowKind.DELIVERY, outcome=outcome, detail=detail, duration_ms=took_ms)


def acted(ms: float, outcome: str | None, detail: str | None = "retry: why") -> Row:
    return Row(at(ms), RowKind.OPERATOR, outcome=outcome, detail=detail, actor="usr_OPERATOR")


HEAD = [
    "title: trf_ONE · 1.00 USD · initiated",
    "16,30 ink bold “trf_ONE · 1.00 USD · initiated”",
    "16.0,50.0 faint “from 2026-01-01T00:00:00.000Z · not sealed yet”",
    "16.0,68.0 faint “Pauses are drawn by the logarithm of their length; the times below are since "
    "the start.”",
]


def legend(y: int) -> list[str]:
    """Which colour stands for what, in a line of which the words stand at ``y``."""
    places = {
        140.0: ("green", "answered"),
        218.8: ("red", "failed or timed out"),
        364.7: ("orange", "refused or voided"),
        498.4: ("grey", "cancelled or waiting"),
        650.4: ("blue", "under way"),
    }
    lines = []
    for x, (colour, words) in places.items():
        lines.append(f"bar {x},{y - 9:.1f} 10×10 {colour}")
        lines.append(f"{x + 14:.1f},{y:.1f} faint “{words}”")
    return lines


def test_each_lane_stands_below_the_other_with_its_marks_on_the_scale() -> None:
    settles = "settles it, durable lane; OSError: away"
    told = of(
        state(0, "initiated"),
        tried(0, 1, "failed", 3),
        tried(40, 1, "timed_out", 1_500, detail=settles),
        tried(1_600, 1, "running", leg="credit", detail="parked lane"),
        acted(1_700, "needs_attention"),
        sent(1_700, "succeeded", 20),
        sent(1_800, "cancelled"),
        Row(at(1_700), RowKind.ENTRY, "debit", outcome="applied", detail="ent_1"),
        Row(at(1_700), RowKind.EVENT, "debit", outcome="transfer.debited", detail="evt_1"),
        state(2_000, "failed"),
    )
    began = "2026-01-01T00:00:"
    assert seen(told) == [
        HEAD[0],
        "bar 0,0 1000×358 paper",
        *HEAD[1:],
        "line 16,84–984,84 rule",
        "16.0,103.0 ink bold “state”",
        f"dot 140.0,97.0 ink 149.0,101.0 ink “initiated” <{began}00.000Z initiated >",
        f"dot 970.0,97.0 red 962.0,101.0 ink end “failed” <{began}02.000Z failed >",
        "line 16,116–984,116 rule",
        "16.0,135.0 ink bold “debit”",
        "bar 140.0,122.0 18.8×14 red 162.8,133.0 ink “fast 1 failed, 3 ms” "
        f"<{began}00.000Z failed fast lane>",
        "bar 227.8,144.0 250.8×14 red 482.6,155.0 ink “durable 1 timed_out, 1.5 s” "
        f"<{began}00.040Z timed_out settles it, durable lane; OSError: away>",
        "line 16,170–984,170 rule",
        "16.0,189.0 ink bold “credit”",
        "bar 566.4,176.0 4.0×14 blue 574.4,187.0 ink “parked 1 running” "
        f"<{began}01.600Z running parked lane>",
        "line 16,202–984,202 rule",
        "16.0,221.0 ink bold “operators”",
        "dot 676.6,215.0 red 685.6,219.0 ink “retry → needs_attention” "
        f"<{began}01.700Z needs_attention retry: why>",
        "line 16,234–984,234 rule",
        "16.0,253.0 ink bold “webhooks”",
        "bar 676.6,240.0 49.4×14 green 730.1,251.0 ink “transfer.failed succeeded” "
        f"<{began}01.700Z succeeded transfer.failed to whe_1: 204>",
        "bar 826.2,262.0 4.0×14 grey 834.2,273.0 ink “transfer.failed cancelled” "
        f"<{began}01.800Z cancelled transfer.failed to whe_1: 204>",
        "line 16,288–984,288 rule",
        "line 140.0,288–140.0,293 faint",
        "140.0,306.0 faint “+0 ms”",
        "line 227.8,288–227.8,293 faint",
        "227.8,306.0 faint “+40 ms”",
        "line 478.6,288–478.6,293 faint",
        "478.6,306.0 faint “+1.5 s”",
        "line 566.4,288–566.4,293 faint",
        "566.4,306.0 faint “+1.6 s”",
        "line 676.6,288–676.6,293 faint",
        "676.6,306.0 faint “+1.7 s”",
        "line 826.2,288–826.2,293 faint",
        "826.2,306.0 faint “+1.8 s”",
        "line 970.0,288–970.0,293 faint",
        "970.0,306.0 faint end “+2.0 s”",
        *legend(332),
    ]


def test_a_crowded_lane_has_five_lines_and_the_last_takes_the_rest_without_words() -> None:
    crowd = [tried(number - 1, number, "failed", 10) for number in range(1, 8)]
    shown = [line.partition(" <")[0] for line in seen(of(*crowd))]
    assert [line for line in shown if line.startswith("bar") and "×14 " in line] == [
        "bar 140.0,122.0 462.1×14 red 606.1,133.0 ink “fast 1 failed, 10 ms”",
        "bar 201.3,144.0 462.1×14 red 667.4,155.0 ink “fast 2 failed, 10 ms”",
        "bar 262.6,166.0 462.1×14 red 728.7,177.0 ink “fast 3 failed, 10 ms”",
        "bar 323.9,188.0 462.1×14 red 790.1,199.0 ink “fast 4 failed, 10 ms”",
        "bar 385.3,210.0 462.1×14 red 851.4,221.0 ink “fast 5 failed, 10 ms”",
        "bar 446.6,210.0 462.1×14 red (no words)",
        "bar 507.9,210.0 462.1×14 red (no words)",
    ]
    assert "line 16,236–984,236 rule" in shown  # the lane ends below its fifth line
    assert "724.7,254.0 faint “+12 ms”" in shown  # at 11 ms there is no room for a time


def labels(*rows: Row) -> list[str]:
    """What stands at the marks of a picture of these rows."""
    root = ET.fromstring(picture(of(*rows)))  # noqa: S314  # our own text is what is tested
    return [one.text or "" for one in root.iterfind(f"{SVG}g/{SVG}text")]


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (tried(0, 2, "failed", detail=None), "2 failed"),
        (tried(0, 2, "failed", detail="settles it, fast lane"), "fast 2 failed"),
        (tried(0, 2, "failed", 0), "fast 2 failed, 0 ms"),
        (tried(0, 2, "x" * 33), f"fast 2 {'x' * 33}"),
        (tried(0, 2, "x" * 34), f"fast 2 {'x' * 32}…"),
        (acted(0, "running", None), " → running"),
        (acted(0, "x" * 33), f"retry → {'x' * 31}…"),
        (acted(0, "x" * 32), f"retry → {'x' * 32}"),
        (acted(0, "running", "refund credit: why: now"), "refund credit → running"),
        (sent(0, "pending"), "transfer.failed pending"),
        (replace(sent(0, "pending"), detail=None), " pending"),
        (replace(sent(0, "x" * 24)), f"transfer.failed {'x' * 24}"),
        (replace(sent(0, "x" * 25)), f"transfer.failed {'x' * 23}…"),
        (replace(sent(0, "pending"), detail="a to b to c"), "a pending"),
        (state(0, "x" * 40), "x" * 40),
        (state(0, "x" * 41), "x" * 39 + "…"),
    ],
)
def test_a_mark_is_labelled_in_forty_characters(row: Row, label: str) -> None:
    assert labels(row) == [label]


def test_a_state_without_a_name_is_a_dot_without_words() -> None:
    assert "dot 140.0,97.0 ink (no words) <2026-01-01T00:00:00.000Z  >" in seen(of(state(0, None)))


def test_an_answer_nobody_knows_is_drawn_in_ink() -> None:
    shown = seen(of(tried(0, 1, "applied"), sent(0, None), tried(9, 1, "odd")))
    colours = [line.split()[3] for line in shown if "×14 " in line]
    assert colours == ["green", "ink", "ink"]


def test_a_step_without_a_leg_has_a_lane_of_its_own() -> None:
    shown = seen(of(tried(0, 1, "applied", leg=None), tried(5, 1, "applied")))
    assert [line for line in shown if "ink bold" in line][1:] == [
        "16.0,103.0 ink bold “state”",
        "16.0,135.0 ink bold “step”",
        "16.0,167.0 ink bold “debit”",
    ]


@pytest.mark.parametrize(
    ("fields", "head"),
    [
        (
            {"status": TransferStatus.FAILED, "failure": FailureCode.WALLET_FROZEN},
            "title: trf_ONE · 1.00 USD · failed (wallet_frozen)",
        ),
        (
            {
                "status": TransferStatus.FAILED,
                "failure": FailureCode.WALLET_FROZEN,
                "refunded": True,
            },
            "title: trf_ONE · 1.00 USD · failed (wallet_frozen, refunded)",
        ),
        ({"status": TransferStatus.COMPLETED}, "title: trf_ONE · 1.00 USD · completed"),
    ],
)
def test_the_head_says_how_it_ended(fields: dict[str, object], head: str) -> None:
    assert seen(of(**fields))[0] == head


def test_below_the_head_stands_from_when_to_when() -> None:
    told = replace(of(completed_at=at(1_500)), sealed=True)
    times = "from 2026-01-01T00:00:00.000Z to 2026-01-01T00:00:01.500Z, 1.5 s"
    assert seen(told)[3] == f"16.0,50.0 faint “{times} · sealed”"


@pytest.mark.parametrize(("count", "end"), [(140, "x" * 140), (141, "x" * 139 + "…")])
def test_what_happens_next_is_written_in_one_line(count: int, end: str) -> None:
    told = replace(of(), next=Next("x" * count))
    assert seen(told)[4] == f"16.0,68.0 faint “Next: {end}”"


def test_a_transfer_of_which_nothing_is_known_has_an_empty_lane_and_a_start() -> None:
    assert seen(of())[5:9] == [
        "line 16,84–984,84 rule",
        "16.0,103.0 ink bold “state”",
        "line 16,116–984,116 rule",
        "line 140.0,116–140.0,121 faint",
    ]


def test_words_that_find_no_room_on_the_right_stand_on_the_left() -> None:
    rows = state(0, "initiated"), state(100, "debited"), state(200, "a state of many more words")
    assert [line.partition(" <")[0] for line in seen(of(*rows)) if line.startswith("dot")] == [
        "dot 140.0,97.0 ink 149.0,101.0 ink “initiated”",
        "dot 555.0,97.0 ink 564.0,101.0 ink “debited”",
        "dot 970.0,97.0 ink 962.0,101.0 ink end “a state of many more words”",
    ]


def test_what_xml_allows_stays_and_what_it_forbids_is_replaced() -> None:
    for allowed in "\t", "\n", " ", "\ud7ff", "\ue000", "\ufffd", "\U00010000", "\U0010ffff":
        assert text(f"a{allowed}b") == f"a{allowed}b"
    for forbidden in "\0", "\r", "\x1f", "\ud800", "\udfff", "\ufffe", "\uffff":
        assert text(f"a{forbidden}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_text_is_shortened_before_it_is_escaped() -> None:
    assert text("x" * 200) == "x" * 200
    assert text("x" * 201) == "x" * 199 + "…"
    assert text("<&>", 3) == "&lt;&amp;&gt;"
    assert text("<&>.", 3) == "&lt;&amp;…"


@pytest.mark.parametrize(("count", "end"), [(668, "xx"), (669, "x…")])
def test_an_error_is_read_in_full_up_to_seven_hundred_characters(count: int, end: str) -> None:
    (mark,) = [line for line in seen(of(tried(0, 1, "failed", detail="x" * count))) if "<" in line]
    title = mark.partition("<")[2].removesuffix(">")
    assert (len(title), title[:33], title[-2:]) == (700, "2026-01-01T00:00:00.000Z failed x", end)
