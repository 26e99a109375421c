"""``payflow verify --keys``: whether a receipt holds, with the network off."""

import json
import sys
from pathlib import Path
from typing import Any

from cli.errors import CliError
from payflow.auth.keys import KeysUnusable
from payflow.auth.trusted_keys import TrustedKeys
from payflow.domain.receipts import Checked, examine

NOT_TO_BE_READ = 2  # nothing was checked, so nothing is said of the receipt


def verify_receipt(receipt: str, keys: Path, root: Path | None) -> str:
    """Check a receipt; ``receipt`` is a file, or ``-`` for standard input.

    Args:
        receipt: what ``GET /v1/transfers/{id}/receipt`` answered, unchanged.
        keys: the JWK set that is trusted, as ``GET /v1/proof/keys`` gave it.
        root: the root of its day, got from somewhere else, to see that everybody is shown the same.

    Raises:
        CliError: it does not hold (exit code 1); a file cannot be read (2).
    """
    try:
        trusted = TrustedKeys(_parsed(str(keys)))
    except KeysUnusable as error:
        raise CliError(f"{keys} holds no keys to verify with: {error}.", NOT_TO_BE_READ) from None
    published = _parsed(str(root)) if root else None
    checked = examine(_parsed(receipt), trusted.holds, published)
    lines = "\n".join(map(_line, checked))
    if not all(one.holds for one in checked):
        raise CliError(f"{lines}\nNot verified: do not rely on this receipt.")
    return f"{lines}\nVerified."


def _line(one: Checked) -> str:
    return f"{'✓' if one.holds else '✗'} {one.words}"


def _parsed(name: str) -> Any:  # noqa: ANN401  # what a stranger's file holds
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise CliError(f"{name} cannot be read: {error.strerror}.", NOT_TO_BE_READ) from None
    except (ValueError, RecursionError):
        raise CliError(f"{name} is not JSON.", NOT_TO_BE_READ) from None
