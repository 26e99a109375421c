"""A data folder that lives as long as one demo."""

import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cli.errors import FolderUnusable
from cli.folder import DataFolder, FolderInUse

PREFIX = "demo-"
ABANDONED_AFTER_S = 60.0  # younger ones may be about to be held by the demo that made them


@asynccontextmanager
async def passing_folder(beside: Path) -> AsyncIterator[Path]:
    """A new folder inside ``beside``, removed at the end."""
    for folder in _old_ones(beside):
        await _remove_unless_held(folder)
    own = _create(beside)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _create(beside: Path) -> Path:
    try:
        beside.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=beside.absolute()))
    except OSError as error:
        raise FolderUnusable(beside.absolute(), error) from None


def _old_ones(beside: Path) -> list[DataFolder]:
    """Folders of other demos, old enough to have been left by one that was killed."""
    locks = beside.glob(f"{PREFIX}*/run/lock")
    youngest = time.time() - ABANDONED_AFTER_S
    return [DataFolder(lock.parents[1]) for lock in locks if lock.stat().st_mtime < youngest]


async def _remove_unless_held(folder: DataFolder) -> None:
    try:
        with folder.held():
            await folder.clear_leftovers()
            shutil.rmtree(folder.root, ignore_errors=True)
    except FolderInUse:
        return  # its demo runs
