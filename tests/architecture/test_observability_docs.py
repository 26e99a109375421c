"""The table of metrics in the documentation is the table in the code."""

from pathlib import Path

from payflow.observability import names

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"


def test_every_metric_has_its_row() -> None:
    table = [line for line in PAGE.read_text().splitlines() if line.startswith("| `payflow_")]

    assert table == [_row(metric) for metric in names.ALL]


def _row(metric: names.Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |"
