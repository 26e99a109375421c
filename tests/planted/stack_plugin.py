"""Loaded by ``pytest -p``: plants the bug in the processes of every stack that is started."""

from dataclasses import replace
from typing import Any

import cli.stack
from cli.apps import Layout, app_specs
from tests.planted.planting import replace_in


def pytest_configure() -> None:
    replace_in("app_specs", _planted_specs, cli.stack)


def _planted_specs(layout: Layout, *rest: Any) -> Any:
    return app_specs(replace(layout, program="tests.planted.program"), *rest)
