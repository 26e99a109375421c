"""Plots as SVG text: horizontal bars with their spread, and lines. No dependencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from statistics import median

WIDTH = 720
LEFT, RIGHT, TOP, BOTTOM = 210, 90, 48, 44
BAR, GAP = 22, 16
LINES_HEIGHT = 320
LINES_LEFT = 60
COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#718096")

Points = Sequence[tuple[float, float]]


def bars(title: str, unit: str, samples: Mapping[str, Sequence[float]]) -> str:
    """A bar to the median of each contender, a whisker from its lowest to its highest round."""
    top_value = max(max(values) for values in samples.values())
    scale = (WIDTH - LEFT - RIGHT) / top_value
    height = TOP + len(samples) * (BAR + GAP) + 8
    body = []
    for at, (label, values) in enumerate(samples.items()):
        y = TOP + at * (BAR + GAP)
        low, middle, high = min(values), median(values), max(values)
        colour = COLOURS[at % len(COLOURS)]
        whisker_y = y + BAR / 2
        body += [
            _text(LEFT - 8, y + 15, label, anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{middle * scale:.1f}" height="{BAR}" '
            f'fill="{colour}"/>',
            _line(LEFT + low * scale, whisker_y, LEFT + high * scale, whisker_y),
            _text(LEFT + high * scale + 6, y + 15, f"{_number(middle)} {unit}"),
        ]
    return _page(height, title, body)


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where a value lies on the page; both axes begin at zero."""

    x_top: float
    y_top: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        width, height = WIDTH - LINES_LEFT - 24, LINES_HEIGHT - TOP - BOTTOM
        return LINES_LEFT + x / self.x_top * width, LINES_HEIGHT - BOTTOM - y / self.y_top * height


def lines(title: str, x_label: str, y_label: str, series: Mapping[str, Points]) -> str:
    """One line for each series, from the origin."""
    every = [point for points in series.values() for point in points]
    axes = _Axes(_round_top(max(x for x, _ in every)), _round_top(max(y for _, y in every)))
    left, bottom = axes.at(0, 0)
    right, top = axes.at(axes.x_top, axes.y_top)
    body = [_line(left, bottom, right, bottom), _line(left, bottom, left, top)]
    for quarter in (0.25, 0.5, 0.75, 1.0):
        x, y = axes.at(axes.x_top * quarter, axes.y_top * quarter)
        body += [
            _text(x, bottom + 16, _number(axes.x_top * quarter), anchor="middle"),
            _text(left - 6, y + 4, _number(axes.y_top * quarter), anchor="end"),
        ]
    body += [
        _text((left + right) / 2, LINES_HEIGHT - 8, x_label, anchor="middle"),
        _text(LINES_LEFT, TOP - 8, y_label, anchor="middle"),
    ]
    for at, (label, points) in enumerate(series.items()):
        colour = COLOURS[at % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (axes.at(*point) for point in points))
        body += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            _text(right - 4, bottom - 10 - 18 * at, label, anchor="end", colour=colour),
        ]
    return _page(LINES_HEIGHT, title, body)


def distribution(values: Sequence[float], steps: int = 100) -> Points:
    """What share of the values (in %) is not above x: up to the 99th percentile."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return [(ordered[int(last * step / 100 * 0.99)], step * 0.99) for step in range(steps + 1)]


def _page(height: float, title: str, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">'
    )
    background = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    heading = _text(16, 24, title, weight="bold")
    return "\n".join([head, background, heading, *body, "</svg>"]) + "\n"


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    colour: str = "#1a202c",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        'stroke="#1a202c" stroke-width="1.5"/>'
    )


def _round_top(value: float) -> float:
    """The next round number, so that its quarters are round as well."""
    power: float = 10 ** floor(log10(value)) if value > 0 else 1
    return next(
        power * step for step in (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10, 12) if power * step >= value
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
