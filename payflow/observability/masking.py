"""Secrets and people's addresses, taken out of every log line before it is written."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

MASK = "<masked>"
_KNOWN_AT_LEAST = 8  # a shorter "secret" would blot out half of the line

_WORDS = r"pass(?:word|wd|phrase)|secret|token|authorization|api[_-]?key|private[_-]?key|cookie"
_NAMED = re.compile(_WORDS, re.IGNORECASE)
# What one of the patterns below needs: most lines have none of it, and are not looked at again.
_HINT = re.compile(
    rf"""://|@|bearer|basic|eyj|pfr_|whsec_|\$argon2|["']d["']|{_WORDS}""", re.IGNORECASE
)
# Order matters: what stands before an @ in an address of a server is no email.
_PATTERNS = (
    (re.compile(r"(\w://)[^\s/@]+@"), rf"\1{MASK}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*"), MASK),  # JWS and JWE
    (re.compile(r"\b(pfr_|whsec_)[\w+/=-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"\$argon2\w*\$\S+"), MASK),
    (re.compile(r"""(["']d["']\s*:\s*["'])[\w-]{40,}"""), rf"\1{MASK}"),  # a private JWK
    (
        re.compile(
            rf"""((?:\w*(?:{_WORDS})\w*)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s"',;&}}\])]+)""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "<email>"),
)


class Mask:
    """Masks by the form of a secret, by the name it goes by, and by knowing it.

    Args:
        known: this process's own secrets (keys, passwords), masked wherever they turn up.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        secrets = sorted((s for s in known if len(s) >= _KNOWN_AT_LEAST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, secrets))) if secrets else None

    def text(self, text: str) -> str:
        """The text without what nobody may read in a log."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if not _HINT.search(text):
            return text
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields, each value masked by its name or by its form."""
        return {
            name: MASK if _is_secret(name) else self._value(value) for name, value in fields.items()
        }

    def _value(self, value: object) -> object:
        if value is None or isinstance(value, int | float):
            return value
        return self.text(str(value))


@lru_cache(maxsize=256)
def _is_secret(name: str) -> bool:
    """Whether a field of this name is masked whatever it holds."""
    return _NAMED.search(name) is not None
