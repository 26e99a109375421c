"""JSON text as every reader of it must understand it (RFC 8259, RFC 7493 §2.3): one parser.

Python's own takes a name twice and keeps the last value, where others keep the first or refuse;
and it takes ``NaN`` and ``Infinity``, which are no JSON. What decides about money or trust must
not depend on the reader, so both are refused here.
"""

import json
from collections import Counter
from math import isfinite
from typing import Any, Never


class JsonInvalid(ValueError):
    """The text is not JSON, or two readers of it can differ: ``str()`` goes on after its name."""


def parse_json(text: str | bytes | bytearray) -> Any:  # noqa: ANN401  # any JSON value
    """The value of a JSON text; bytes are UTF-8.

    Raises:
        JsonInvalid: it is not JSON, an object names something twice, or a number is not finite.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except JsonInvalid:
        raise
    except RecursionError:
        raise JsonInvalid("is nested too deeply") from None
    except ValueError:  # also bytes that are no UTF-8, and integers of thousands of digits
        raise JsonInvalid("is not JSON") from None


def printable(text: str) -> str:
    """A stranger's text for a terminal or a message: what is not printable becomes its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise JsonInvalid(f"names '{printable(twice[:_SHOWN])}' twice in one object")
    return made


def _no_number(text: str) -> Never:
    raise JsonInvalid(f"holds {text}, which is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise JsonInvalid("holds a number that is too large")
    return number


_SHOWN = 100  # characters of a name that a message repeats
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite
)
