"""Transfers as this process last saw them committed: guesses that save a read, never the truth.

Who moves a transfer by a guess guards the write by the status and sequence it guessed. A wrong
guess is a conflict like any other, and then the books are read.
"""

from collections import OrderedDict
from collections.abc import Iterable

from payflow.domain.ledger import LEAVES, LegRequest
from payflow.domain.transfers import Transfer

MOST = 5_000  # some 5 MB; a transfer needs it for the 50 ms between two of its legs


class RecentTransfers:
    """The unfinished transfers that this process accepted or moved last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Transfer] = OrderedDict()

    def remember(self, committed: Transfer) -> None:
        """Keep it as it stands after a commit; one that has ended has no next leg."""
        self._kept.pop(committed.id, None)
        if committed.status.is_terminal:
            return
        self._kept[committed.id] = committed
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def forget(self, transfer_ids: Iterable[str]) -> None:
        """Guess no more about these."""
        for transfer_id in transfer_ids:
            self._kept.pop(transfer_id, None)

    def guess(self, leg: LegRequest) -> Transfer | None:
        """The leg's transfer, if it stood where the leg sets out from.

        Then the leg cannot be in the journal either: both are written in one transaction.
        """
        transfer = self._kept.get(leg.transfer_id)
        return transfer if transfer is not None and transfer.status is LEAVES[leg.leg] else None
