"""Many documents, in messages that do not keep a process from everything else."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

SLICE = 500  # documents a message: about 0.5 MB, and 20 ms in which this process does only that


def slices(things: Sequence[T], size: int = SLICE) -> Iterator[Sequence[T]]:
    """The things in order, so many at a time."""
    return (things[start : start + size] for start in range(0, len(things), size))
