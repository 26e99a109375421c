"""Keyset pages: one row more than asked for tells whether another page follows."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from payflow.domain.ports import Page

T = TypeVar("T")


def page_of(found: Sequence[T], limit: int, key: Callable[[T], str]) -> Page[T]:
    """The page made of up to ``limit + 1`` rows."""
    items = found[:limit]
    return Page(items, key(items[-1]) if len(found) > limit else None)
