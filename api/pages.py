"""Keyset pages: an opaque cursor is the key of the last thing seen."""

import base64
import re
from collections.abc import Callable
from typing import Any, TypeVar

from api.errors import CursorInvalid
from payflow.domain.identifiers import Prefix, is_id
from payflow.domain.ports import Page

T = TypeVar("T")

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{6}Z)?")
_SEQUENCE = re.compile(r"[1-9][0-9]{0,17}")  # below 2^63


def cursor_of(key: str) -> str:
    """The key, opaque."""
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def id_after(cursor: str | None, prefix: Prefix) -> str | None:
    """The id a cursor of a list of such things stands for, or ``CursorInvalid``."""
    return _key_of(cursor, lambda key: is_id(key, prefix))


def sequence_after(cursor: str | None) -> str | None:
    """The sequence number a cursor of a statement stands for, or ``CursorInvalid``."""
    return _key_of(cursor, lambda key: _SEQUENCE.fullmatch(key) is not None)


def date_after(cursor: str | None) -> str | None:
    """The period's name a cursor of a list of roots stands for, or ``CursorInvalid``."""
    return _key_of(cursor, lambda key: _DATE.fullmatch(key) is not None)


def page_object(page: Page[T], item: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """The page as the contract spells a list."""
    return {
        "object": "list",
        "data": [item(thing) for thing in page.items],
        "has_more": page.next_key is not None,
        "next_cursor": cursor_of(page.next_key) if page.next_key is not None else None,
    }


def _key_of(cursor: str | None, is_key: Callable[[str], bool]) -> str | None:
    if cursor is None:
        return None
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        raise CursorInvalid from None
    if not is_key(key) or cursor_of(key) != cursor:
        raise CursorInvalid
    return key
