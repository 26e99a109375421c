"""Keyset pages: one row more than asked for tells whether another page follows."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from payflow.domain.ports import Page
from payflow.storage.reading import Fields, readable

T = TypeVar("T")


def _by_id(fields: Fields) -> str:
    return str(fields["_id"])


def page_of(
    found: Sequence[Fields],
    limit: int,
    mapping: Callable[[Fields], T],
    key: Callable[[Fields], str] = _by_id,
) -> Page[T]:
    """The page made of up to ``limit + 1`` documents; those that cannot be read are left out."""
    shown = found[:limit]
    return Page(readable(mapping, shown), key(shown[-1]) if len(found) > limit else None)
