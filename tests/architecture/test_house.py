"""The style of the house, held over every Python file that is released."""

import ast
import math
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FUNCTION_LINES = 70
IGNORES_PER_1000_LINES = 0.5

# The parts are real ones; what stands in for a port is in tests/fakes.py.
IMITATIONS = {"mongomock", "mongomock_motor", "fakeredis"}

# A comment that silences the type checker, and what it says after it.
IGNORE = re.compile(r"#\s*type:\s*ignore(?P<which>\[[\w, -]+\])?(?P<reason>.*)")


@cache
def tracked() -> tuple[Path, ...]:
    """Every Python file git knows of that is still there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"],  # noqa: S607  # the git of whoever runs this
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(file for file in files if file.exists())


def released() -> tuple[Path, ...]:
    """The same without the tests."""
    return tuple(file for file in tracked() if file.relative_to(ROOT).parts[0] != "tests")


def test_every_module_says_what_it_is_for() -> None:
    silent = [_name(file) for file in released() if not ast.get_docstring(_tree(file))]

    assert not silent


def test_a_file_fits_a_head() -> None:
    long = {_name(file): n for file in released() if (n := len(_lines(file))) > FILE_LINES}

    assert not long


def test_a_function_fits_a_screen() -> None:
    long = {
        f"{_name(file)}:{function.lineno} {function.name}": n
        for file in released()
        for function in _functions(file)
        if (n := (function.end_lineno or function.lineno) - function.lineno + 1) > FUNCTION_LINES
    }

    assert not long


def test_the_type_checker_is_seldom_silenced() -> None:
    lines = sum(len(_lines(file)) for file in released())
    ignores = [where for where, _ in _ignores()]

    assert len(ignores) <= math.ceil(lines / 1000 * IGNORES_PER_1000_LINES), ignores


def test_who_silences_the_type_checker_says_which_error_and_why() -> None:
    unexplained = [
        where
        for where, found in _ignores()
        if not found["which"] or not re.match(r"\s+#\s*\S", found["reason"])
    ]

    assert not unexplained


def test_no_database_is_an_imitation() -> None:
    imitated = {_name(file): names for file in tracked() if (names := _imports(file) & IMITATIONS)}

    assert not imitated


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), filename=str(file))


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def _functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _ignores() -> list[tuple[str, re.Match[str]]]:
    """Where each comment stands, and what it says."""
    return [
        (f"{_name(file)}:{number}", found)
        for file in released()
        for number, line in enumerate(_lines(file), start=1)
        if (found := IGNORE.search(line))
    ]


def _imports(file: Path) -> set[str]:
    """The top-level names a file imports."""
    names = set()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
