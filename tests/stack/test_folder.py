"""The data folder is one stack's alone, and the next stack clears what a killed one left."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.errors import FolderUnusable
from cli.folder import DataFolder, FolderInUse


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    return folder


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


def test_only_the_owner_can_look_inside(folder: DataFolder) -> None:
    assert folder.root.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        pytest.param(None, 0o700, id="empty"),
        pytest.param("run/lock", 0o700, id="a stack's"),
        pytest.param("holiday.jpg", 0o755, id="something else's"),
    ],
)
def test_a_folder_that_was_open_to_all_is_closed_when_it_is_a_stacks(
    tmp_path: Path, holds: str | None, expected: int
) -> None:
    root = tmp_path / "open"
    root.mkdir(mode=0o755)
    if holds:
        (root / holds).parent.mkdir(exist_ok=True)
        (root / holds).touch()
    root.chmod(0o755)

    DataFolder(root).create()

    assert root.stat().st_mode & 0o777 == expected
    assert (root / "run").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("inside", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FolderUnusable, match=r"cannot be used \(.+\): set PAYFLOW_DATA_DIR"):
        DataFolder(tmp_path / inside).create()


def test_a_folder_is_held_by_one_at_a_time(folder: DataFolder) -> None:
    with (
        folder.held(),
        pytest.raises(FolderInUse, match="PAYFLOW_DATA_DIR"),
        DataFolder(folder.root).held(),
    ):
        pass

    with folder.held():
        assert folder.published() is None


async def test_what_a_killed_stack_left_running_is_ended(
    folder: DataFolder, sleeper: subprocess.Popen[bytes]
) -> None:
    folder.remember("mongod", sleeper.pid)
    folder.publish({"api_url": "http://127.0.0.1:1"})
    folder.ready_file("serve").write_text("{}")

    await folder.clear_leftovers()

    assert sleeper.wait(timeout=1) != 0
    assert folder.published() is None
    assert folder.remembered() == {}
    assert not folder.ready_file("serve").exists()


async def test_a_stranger_with_the_same_number_is_left_alone(
    folder: DataFolder, sleeper: subprocess.Popen[bytes]
) -> None:
    note = {"pid": sleeper.pid, "began": "another boot/1"}
    (folder.run / "mongod.pid").write_text(json.dumps(note))

    await folder.clear_leftovers()

    assert sleeper.poll() is None


def test_the_published_facts_are_replaced_whole(folder: DataFolder) -> None:
    folder.publish({"pids": {"api": 1}})
    before = folder.stack.stat().st_ino
    folder.publish({"pids": {"api": 2}})

    assert folder.published() == {"pids": {"api": 2}}
    assert folder.stack.stat().st_ino != before
    assert list(folder.root.glob(".stack.json-*")) == []


def test_a_log_that_grew_large_is_put_aside(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.folder.LOG_LIMIT_BYTES", 10)
    folder.log("mongod").write_text("more than ten bytes")

    assert not folder.log("mongod").exists()
    assert (folder.logs / "mongod.log.1").read_text() == "more than ten bytes"
