"""What receipts need of the books: transfers' ends in feed order, and where roots are kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TransferEnd:
    """Where in the feed a transfer ended, and when it says it did."""

    position: int
    transfer_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ends:
    """Some transfers' ends, and the positions of those that cannot be read."""

    readable: Sequence[TransferEnd]
    unreadable: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """A full part of a period's tree, the last may be less: the feed before it, and its root."""

    after_position: int
    node: bytes


@dataclass(frozen=True, slots=True)
class SealedRoot:
    """A period's signed root, and the tiles its proofs are made from.

    ``left_out`` are the positions of ends that could not be read when it was sealed: its tree has
    no leaf of them, whatever becomes of them later.
    """

    statement: Mapping[str, Any]
    ends_at: datetime
    through_position: int
    tiles: tuple[Tile, ...]
    left_out: tuple[int, ...] = ()


class ReceiptStore(Protocol):
    """The books as receipts read them, and the roots, which are written once.

    Everything raises ``BooksUnavailable`` while MongoDB does not answer.
    """

    async def ends_after(self, position: int, limit: int, without: Collection[int] = ()) -> Ends:
        """The next transfers' ends after ``position``, in the order of the feed.

        ``without``: positions that are left out.
        """
        ...

    async def end_of(self, transfer_id: str) -> TransferEnd | None:
        """Where the transfer ended; None while the feed does not say so."""
        ...

    async def facts(self, transfer_ids: Collection[str]) -> Mapping[str, Facts]:
        """What receipts of these ended transfers say; who has not ended is left out.

        So is a transfer of whose entries one cannot be read.
        """
        ...

    async def newest_root(self) -> SealedRoot | None:
        """The last root of the chain."""
        ...

    async def root_over(self, position: int) -> SealedRoot | None:
        """The root whose tree has the transfer that ended there; None before it is sealed."""
        ...

    async def root(self, date: str) -> Mapping[str, Any] | None:
        """A root's statement by its period's name."""
        ...

    async def roots(self, limit: int, before: str | None) -> Sequence[Mapping[str, Any]]:
        """Statements, the newest first, from before a period's name on."""
        ...

    async def keep(self, root: SealedRoot) -> bool:
        """Write the root, unless its period has one; whether it was written."""
        ...
