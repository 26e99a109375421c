"""A demo's folder passes with it, and so do those of demos that were killed."""

import os
from pathlib import Path

from cli.demo_folder import ABANDONED_AFTER_S, passing_folder
from cli.folder import DataFolder


def other_demo(beside: Path, *, age_s: float) -> DataFolder:
    folder = DataFolder(beside / "demo-other")
    folder.create()
    lock = folder.run / "lock"
    lock.touch()
    began = lock.stat().st_mtime - age_s
    os.utime(lock, (began, began))
    return folder


async def test_the_folder_is_gone_afterwards(tmp_path: Path) -> None:
    async with passing_folder(tmp_path / "data") as folder:
        (folder / "something").write_text("kept for a while")
        assert folder.parent == tmp_path / "data"

    assert not folder.exists()


async def test_what_a_killed_demo_left_is_removed(tmp_path: Path) -> None:
    left = other_demo(tmp_path, age_s=2 * ABANDONED_AFTER_S)

    async with passing_folder(tmp_path):
        assert not left.root.exists()


async def test_a_demo_that_runs_beside_is_left_alone(tmp_path: Path) -> None:
    running = other_demo(tmp_path, age_s=2 * ABANDONED_AFTER_S)

    with running.held():
        async with passing_folder(tmp_path):
            assert running.root.exists()


async def test_a_demo_that_is_just_beginning_is_left_alone(tmp_path: Path) -> None:
    beginning = other_demo(tmp_path, age_s=0)

    async with passing_folder(tmp_path):
        assert beginning.root.exists()
