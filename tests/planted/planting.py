"""Which bug is planted: named by a variable that test programs read, and nothing else does.

A bug's module says ``CAUGHT_BY``, the tests that must turn red, and may say ``REACH``: how far one
must go to meet it.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from tests.planted import bugs

PLANTED = "PAYFLOW_TEST_PLANTED"


class Reach(StrEnum):
    """What the catching test needs: nothing, a time-skipping Temporal, or the whole stack."""

    UNIT = "unit"
    WORKFLOW = "workflow"
    STACK = "stack"


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug, and who catches it."""

    name: str
    what: str
    caught_by: tuple[str, ...]
    reach: Reach
    module: ModuleType


def all_bugs() -> list[Bug]:
    """Every bug of the folder, the cheap ones first."""
    order = list(Reach)
    found = [_bug(one.name) for one in iter_modules(bugs.__path__)]
    return sorted(found, key=lambda bug: (order.index(bug.reach), bug.name))


def plant_what_is_asked_for() -> None:
    """Plant the bug that the environment names, if it names one."""
    if name := os.environ.get(PLANTED):
        _bug(name).module.plant()


def replace_in(name: str, new: Any, *holders: ModuleType | type) -> None:
    """Let these modules or classes have ``new`` under that name.

    Raises:
        AttributeError: one of them has no such name, so the bug would not be planted.
    """
    for holder in holders:
        getattr(holder, name)
        setattr(holder, name, new)


def _bug(name: str) -> Bug:
    module = import_module(f"{bugs.__name__}.{name}")
    what = " ".join((module.__doc__ or "").split())
    return Bug(name, what, module.CAUGHT_BY, module.REACH, module)
