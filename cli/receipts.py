"""``payflow verify --keys``: whether a receipt holds, with the network off."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.errors import CliError
from payflow.auth.keys import KeysUnusable
from payflow.auth.trusted_keys import TrustedKeys
from payflow.domain.json_text import JsonInvalid, parse_json, printable
from payflow.domain.receipts import Checked, examine

_MONEY = ("id", "status", "amount", "currency", "source_wallet_id", "destination_wallet_id")
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
    found = _parsed(receipt)
    checked = examine(found, trusted.holds, published)
    lines = [_line(one) for one in checked]
    if not all(one.holds for one in checked):
        raise CliError("\n".join([*lines, "Not verified: do not rely on this receipt."]))
    return "\n".join([*lines, *money_lines(found["transfer"]), "Verified."])


def money_lines(transfer: Mapping[str, Any]) -> list[str]:
    """What was signed of a transfer: which one, how it ended, how much, and between whom."""
    said = {name: printable(str(transfer.get(name))) for name in _MONEY}
    refunded = ", the money was given back" if transfer.get("refunded") else ""
    return [
        f"  transfer  {said['id']}, {said['status']}{refunded}",
        f"  amount    {said['amount']} {said['currency']} (minor units)",
        f"  from      {said['source_wallet_id']}",
        f"  to        {said['destination_wallet_id']}",
    ]


def _line(one: Checked) -> str:
    return f"{'✓' if one.holds else '✗'} {printable(one.words)}"


def _parsed(name: str) -> Any:  # noqa: ANN401  # what a stranger's file holds
    try:
        return parse_json(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    except OSError as error:
        words = f"{printable(name)} cannot be read: {error.strerror}."
        raise CliError(words, NOT_TO_BE_READ) from None
    except JsonInvalid as error:
        raise CliError(f"{printable(name)} {error}.", NOT_TO_BE_READ) from None
