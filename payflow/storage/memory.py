"""What a process remembers of the books, so that it need not read it again."""

from dataclasses import dataclass
from typing import Self

from payflow.storage.books_collections import BooksCollections
from payflow.storage.purses import Purses
from payflow.storage.recent import RecentTransfers
from payflow.storage.recent_wallets import RecentWallets


@dataclass(frozen=True, slots=True)
class Memory:
    """Transfers and wallets as last committed: guesses; purses never change."""

    transfers: RecentTransfers
    wallets: RecentWallets
    purses: Purses

    @classmethod
    def of(cls, books: BooksCollections) -> Self:
        """An empty one."""
        return cls(RecentTransfers(), RecentWallets(), Purses(books.wallets))
