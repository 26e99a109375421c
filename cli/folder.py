"""The data folder: what lies where in it, who holds it, and what stack.json says."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cli.errors import CliError, FolderUnusable
from cli.files import write_whole
from cli.pids import ProcessMark, end_all, mark
from payflow.domain.json_text import parse_json

LEFTOVER_GRACE_S = 10.0  # mongod needs about one second for a clean end; the rest is courtesy
LOG_LIMIT_BYTES = 16 * 1024 * 1024


class FolderInUse(CliError):
    """Another stack runs on this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"A stack runs on {folder} already: stop it, or set PAYFLOW_DATA_DIR to another folder."
        )


class DataFolder:
    """One stack's folder, by absolute path."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.logs = self.root / "logs"
        self.run = self.root / "run"
        self.ports = self.root / "ports.json"
        self.stack = self.root / "stack.json"
        self.credentials = self.root / "credentials.json"

    def create(self) -> None:
        """Make the folders; they hold keys, passwords and books, so they are the owner's alone.

        A folder that was there and holds other things keeps its permissions.

        Raises:
            FolderUnusable: it is not a folder, or this account cannot write in it.
        """
        try:
            is_a_stacks = (
                not self.root.exists() or self.run.exists() or not any(self.root.iterdir())
            )
            own = [self.root] if is_a_stacks else []
            for folder in (self.root, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (*own, self.logs, self.run):
                folder.chmod(0o700)
            write_whole(self.run / "written", "")
        except OSError as error:
            raise FolderUnusable(self.root, error) from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process; the kernel lets go of it however we end.

        Raises:
            FolderInUse: another process holds it.
        """
        with (self.run / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUse(self.root) from None
            yield

    def server(self, name: str) -> Path:
        """The folder of one server's data."""
        place = self.root / name
        place.mkdir(exist_ok=True, mode=0o700)
        return place

    def log(self, name: str) -> Path:
        """The log of one child; one that grew large is put aside first."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def ready_file(self, name: str) -> Path:
        """What the child writes when it is ready."""
        return self.run / f"{name}.ready"

    def remember(self, name: str, pid: int) -> None:
        """Note a child, so that the next start can end it if we cannot."""
        one = mark(pid)
        write_whole(self.run / f"{name}.pid", json.dumps({"pid": one.pid, "began": one.began}))

    def forget(self, name: str) -> None:
        """The child has ended; a note that stays is seen to be of no process."""
        with suppress(OSError):
            (self.run / f"{name}.pid").unlink(missing_ok=True)

    def remembered(self) -> dict[str, ProcessMark]:
        """The children noted and not forgotten."""
        notes = ((path.stem, _read_json(path)) for path in self.run.glob("*.pid"))
        return {name: ProcessMark(note["pid"], note["began"]) for name, note in notes if note}

    async def clear_leftovers(self) -> None:
        """End what an earlier, killed stack left running, and remove what it said of itself."""
        self.withdraw()
        await end_all(self.remembered(), LEFTOVER_GRACE_S)
        for pattern in ("*.pid", "*.ready"):
            for path in self.run.glob(pattern):
                path.unlink()

    def publish(self, facts: dict[str, Any]) -> None:
        """Write stack.json: everything answers."""
        write_whole(self.stack, json.dumps(facts, indent=2) + os.linesep)

    def withdraw(self) -> None:
        """Remove stack.json; one that stays is removed at the next start."""
        with suppress(OSError):
            self.stack.unlink(missing_ok=True)

    def published(self) -> dict[str, Any] | None:
        """What stack.json says, or None when no stack says that it runs."""
        return _read_json(self.stack)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = parse_json(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
