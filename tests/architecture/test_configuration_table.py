"""The page of settings is the settings: every field, its default, its meaning."""

from enum import Enum
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from payflow.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
README = ROOT / "README.md"


def test_every_setting_has_its_row_with_its_default_and_meaning() -> None:
    assert _table() == rows()


def test_the_table_lies_in_one_place() -> None:
    assert "| `PAYFLOW_" not in README.read_text()
    assert "docs/configuration.md" in README.read_text()


def rows() -> list[str]:
    """The table's rows, in the order of the fields."""
    return [_row(name, field) for name, field in Settings.model_fields.items()]


def _table() -> list[str]:
    return [line for line in PAGE.read_text().splitlines() if line.startswith("| `PAYFLOW_")]


def _row(name: str, field: FieldInfo) -> str:
    return f"| `PAYFLOW_{name.upper()}` | {_default(field.default)} | {field.description} |"


def _default(value: Any) -> str:
    if value is None:
        return "–"
    return f"`{value.value if isinstance(value, Enum) else value}`"
