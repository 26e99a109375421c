"""The collections the books are kept in, of one client: what money moves through.

Beanie binds a document class to one database for the whole process; the books' writers take
their collections from the client they were given, so that two of them can live side by side.
"""

from dataclasses import dataclass
from typing import Self

from payflow.storage.documents import (
    AuditDocument,
    BatchDocument,
    JournalDocument,
    OperatorActDocument,
    TransferDocument,
    UserDocument,
    WalletDocument,
)
from payflow.storage.transactions import Client, Collection


@dataclass(frozen=True, slots=True)
class BooksCollections:
    """What is written together, and the client whose sessions do it."""

    client: Client
    journal: Collection
    transfers: Collection
    batches: Collection
    wallets: Collection
    users: Collection  # read only: whom an email address pays, who is an operator
    operator_acts: Collection
    audit: Collection

    @classmethod
    def of(cls, client: Client, database: str) -> Self:
        """The collections of one database."""
        kept = client[database]
        return cls(
            client=client,
            journal=kept[JournalDocument.Settings.name],
            transfers=kept[TransferDocument.Settings.name],
            batches=kept[BatchDocument.Settings.name],
            wallets=kept[WalletDocument.Settings.name],
            users=kept[UserDocument.Settings.name],
            operator_acts=kept[OperatorActDocument.Settings.name],
            audit=kept[AuditDocument.Settings.name],
        )
