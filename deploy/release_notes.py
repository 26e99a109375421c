"""The notes of a release: its section of CHANGELOG.md, on standard output.

python deploy/release_notes.py v1.2.3
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def notes(tag: str, changelog: str, version: str) -> str:
    """What the changelog says of the version a tag names.

    Raises:
        ValueError: the tag is not ``v`` and the project's version, or nothing is said of it.
    """
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, but pyproject.toml says {version}: tag v{version}")
    found = re.search(
        rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)", changelog, re.M | re.S
    )
    if not found or not found[1].strip():
        raise ValueError(f"CHANGELOG.md has no section [{version}]: rename [Unreleased]")
    return found[1].strip() + "\n"


def main(tag: str) -> int:
    """Write the notes, or say why there are none."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    try:
        sys.stdout.write(notes(tag, (ROOT / "CHANGELOG.md").read_text(), version))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
