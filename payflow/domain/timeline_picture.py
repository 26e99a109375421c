"""A timeline as a picture (SVG 1.1) that can be pasted into an incident's notes.

A lane for each step with its attempts as bars, one for the states, one for what operators did and
one for webhooks. It holds no script, no link and no font, and it is the same for the same timeline.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from html import escape

from payflow.domain.money import format_minor
from payflow.domain.representation import rfc3339
from payflow.domain.timeline import Timeline
from payflow.domain.timeline_rows import Row, RowKind
from payflow.domain.timeline_scale import Scale, spoken

WIDTH = 1_000
LABELS_END = 120  # lanes are named left of it
LEFT, RIGHT = 140, 970
TOP = 84
LINE = 22  # height of one line of a lane
BAR = 14
LINES_AT_MOST = 5  # of a lane; what finds no free line shares the last
CHARACTER = 6.1  # width of one, 11 px sans-serif, as browsers draw it
TICK_APART = 78

INK, FAINT, RULE, PAPER = "#1f2933", "#616e7c", "#d9dfe6", "#ffffff"
GOOD, BAD, REFUSED, IDLE, BUSY = "#2f9e6e", "#d64545", "#e08a1e", "#9aa5b1", "#3b7dd8"
COLOURS = {
    "applied": GOOD,
    "succeeded": GOOD,
    "failed": BAD,
    "timed_out": BAD,
    "refused": REFUSED,
    "voided": REFUSED,
    "cancelled": IDLE,
    "pending": IDLE,
    "running": BUSY,
}
LEGEND = (
    ("answered", GOOD),
    ("failed or timed out", BAD),
    ("refused or voided", REFUSED),
    ("cancelled or waiting", IDLE),
    ("under way", BUSY),
)


def picture(timeline: Timeline) -> str:
    """The timeline as one SVG document."""
    scale = Scale.of(_moments(timeline.rows) or [timeline.transfer.created_at], LEFT, RIGHT)
    parts: list[str] = []
    y = TOP
    for name, marks in _lanes(timeline.rows):
        lines, drawn = _lane(marks, scale, y)
        height = lines * LINE + 10
        parts += [_rule(y), _text(16, y + LINE - 3, name, INK, bold=True), *drawn]
        y += height
    parts += [_rule(y), *_axis(scale, y), *_legend(y + 44)]
    return _document(timeline, y + 70, parts)


def text(value: str, at_most: int = 200) -> str:
    """Text that any XML reader takes: shortened, without what XML 1.0 §2.2 forbids, escaped."""
    shown = value if len(value) <= at_most else value[: at_most - 1] + "…"
    return escape(
        "".join(one if _is_allowed(one) else "\N{REPLACEMENT CHARACTER}" for one in shown)
    )


def _is_allowed(one: str) -> bool:
    code = ord(one)
    return (
        one in "\t\n"  # a carriage return would be read as a line feed (XML 1.0 §2.11)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )


def _lanes(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The lanes there is something for, from top to bottom."""
    yield "state", [row for row in rows if row.kind is RowKind.STATE]
    attempts = [row for row in rows if row.kind is RowKind.ATTEMPT]
    for leg in dict.fromkeys(row.leg for row in attempts):
        yield leg or "step", [row for row in attempts if row.leg == leg]
    for name, kind in (("operators", RowKind.OPERATOR), ("webhooks", RowKind.DELIVERY)):
        of_kind = [row for row in rows if row.kind is kind]
        if of_kind:
            yield name, of_kind


def _lane(rows: Sequence[Row], scale: Scale, top: float) -> tuple[int, list[str]]:
    """How many lines the lane has, and what is drawn on them."""
    free_from = [float("-inf")]
    drawn = []
    for row in rows:
        start, width = _extent(row, scale)
        label = _label(row)
        flipped = start + width + len(label) * CHARACTER > WIDTH - 8
        left = start - len(label) * CHARACTER - 6 if flipped else start
        end = start + width + (2 if flipped else len(label) * CHARACTER + 8)
        line = next((n for n, free in enumerate(free_from) if free <= left), len(free_from))
        if line == len(free_from):
            if line < LINES_AT_MOST:
                free_from.append(end)
            else:
                line, label = LINES_AT_MOST - 1, ""
        free_from[line] = max(free_from[line], end)
        drawn.append(_mark(row, (start, width), top + 6 + line * LINE, label, flipped))
    return len(free_from), drawn


def _extent(row: Row, scale: Scale) -> tuple[float, float]:
    start = scale.x(row.at)
    return start, max(4.0, scale.x(_end(row)) - start)


def _mark(row: Row, extent: tuple[float, float], y: float, label: str, flipped: bool) -> str:
    start, width = extent
    colour = COLOURS.get(row.outcome or "", INK)
    if row.kind in (RowKind.STATE, RowKind.OPERATOR):
        colour = BAD if row.outcome in ("failed", "needs_attention") else INK
        shape = f'<circle cx="{start:.1f}" cy="{y + BAR / 2:.1f}" r="4.5" fill="{colour}"/>'
        width = 5.0
    else:
        shape = (
            f'<rect x="{start:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" rx="2" '
            f'fill="{colour}"/>'
        )
    said = f"{rfc3339(row.at)} {row.outcome or ''} {row.detail or ''}"
    x = start - 8 if flipped else start + width + 4
    words = _text(x, y + BAR - 3, label, INK, end=flipped) if label else ""
    return f"<g><title>{text(said, 700)}</title>{shape}{words}</g>"


def _label(row: Row) -> str:
    if row.kind is RowKind.ATTEMPT:
        took = ""
        if row.duration_ms is not None:
            took = f", {spoken(timedelta(milliseconds=row.duration_ms))}"
        lane = (row.detail or "").partition(" lane")[0].rpartition(" ")[2]
        return _shortened(f"{lane} {row.attempt} {row.outcome}{took}".strip(), 40)
    if row.kind is RowKind.OPERATOR:
        verb = (row.detail or "").partition(":")[0]
        return _shortened(f"{verb} → {row.outcome}", 40)
    if row.kind is RowKind.DELIVERY:
        event = (row.detail or "").partition(" to ")[0]
        return _shortened(f"{event} {row.outcome}", 40)
    return _shortened(row.outcome or "", 40)


def _axis(scale: Scale, y: float) -> Iterator[str]:
    first = scale.moments[0]
    drawn_to = float("-inf")
    for moment, x in zip(scale.moments, scale.places, strict=True):
        if x - drawn_to < TICK_APART:
            continue
        drawn_to = x
        yield f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + 5}" stroke="{FAINT}"/>'
        at_the_end = x > WIDTH - TICK_APART
        yield _text(x, y + 18, f"+{spoken(moment - first)}", FAINT, end=at_the_end)


def _legend(y: float) -> Iterator[str]:
    x = float(LEFT)
    for words, colour in LEGEND:
        yield f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="10" height="10" rx="2" fill="{colour}"/>'
        yield _text(x + 14, y, words, FAINT)
        x += 30 + len(words) * CHARACTER


def _document(timeline: Timeline, height: float, parts: Iterable[str]) -> str:
    transfer = timeline.transfer
    amount = format_minor(transfer.money.amount_minor, transfer.money.currency)
    title = f"{transfer.id} · {amount} · {transfer.status}"
    if transfer.failure is not None:
        title += f" ({transfer.failure}{', refunded' if transfer.refunded else ''})"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif" font-size="11">',
        f"<title>{text(title)}</title>",
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="{PAPER}"/>',
        f'<text x="16" y="30" font-size="17" font-weight="bold" fill="{INK}">{text(title)}</text>',
        _text(16, 50, _subtitle(timeline), FAINT),
        _text(16, 68, _footnote(timeline), FAINT),
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def _subtitle(timeline: Timeline) -> str:
    transfer = timeline.transfer
    words = f"from {rfc3339(transfer.created_at)}"
    if transfer.completed_at is not None:
        took = spoken(transfer.completed_at - transfer.created_at)
        words += f" to {rfc3339(transfer.completed_at)}, {took}"
    return f"{words} · {'sealed' if timeline.sealed else 'not sealed yet'}"


def _footnote(timeline: Timeline) -> str:
    scale = "Pauses are drawn by the logarithm of their length; the times below are since the start"
    if timeline.next is None:
        return f"{scale}."
    return f"Next: {_shortened(timeline.next.what, 140)}"


def _moments(rows: Sequence[Row]) -> list[datetime]:
    return [moment for row in rows for moment in (row.at, _end(row))]


def _end(row: Row) -> datetime:
    """Where a row's bar ends; of a state the duration lies before it."""
    if row.kind in (RowKind.ATTEMPT, RowKind.DELIVERY) and row.duration_ms:
        return row.at + timedelta(milliseconds=row.duration_ms)
    return row.at


def _rule(y: float) -> str:
    return f'<line x1="16" y1="{y}" x2="{WIDTH - 16}" y2="{y}" stroke="{RULE}"/>'


def _text(
    x: float, y: float, words: str, colour: str, *, bold: bool = False, end: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{weight}{anchor}>{text(words)}</text>'


def _shortened(words: str, at_most: int) -> str:
    return words if len(words) <= at_most else words[: at_most - 1] + "…"
