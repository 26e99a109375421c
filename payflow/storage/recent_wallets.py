"""Wallets as this process last saw them committed: guesses that save a read, never the truth.

Who moves money by a guess guards the write by the sequence and status it guessed, and refuses
nobody by one. Where other processes write the same wallets, guesses are wrong; they are made
only for as long as they pay.
"""

from collections import OrderedDict
from collections.abc import Iterable, Set
from dataclasses import replace

from payflow.domain.ledger import JournalEntry, Snapshot
from payflow.domain.wallets import Wallet

MOST = 5_000  # some 3 MB
EARNED = 0.02  # a wrong guess costs about as much as fifty right ones save
SAVED_MOST = 3.0  # so that a process whose wallets others begin to write notices soon
FORGIVEN_AFTER = 500  # groups read without a guess, until one more is risked


class RecentWallets:
    """The wallets that this process wrote last, and whether to count on it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Wallet] = OrderedDict()
        self._credit = 1.0

    def remember(self, entries: Iterable[JournalEntry], snapshot: Snapshot) -> None:
        """Keep what committed entries left behind of the wallets they were decided over."""
        for entry in entries:
            if entry.change is None:
                continue
            self.keep(
                replace(
                    snapshot.wallets[entry.change.wallet_id],
                    balance=entry.change.balance_after,
                    sequence=entry.change.wallet_sequence,
                )
            )

    def keep(self, committed: Wallet) -> None:
        """Keep the wallet as a commit left it, unless a later commit was heard of before."""
        known = self._kept.pop(committed.id, committed)
        if known.sequence > committed.sequence:
            committed = known
        self._kept[committed.id] = committed
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def forget(self, wallet_ids: Iterable[str]) -> None:
        """Guess no more about these."""
        for wallet_id in wallet_ids:
            self._kept.pop(wallet_id, None)

    def guess(self, wallet_ids: Set[str]) -> dict[str, Wallet] | None:
        """All of these wallets; None when one is not known, or guessing does not pay."""
        found = {one: self._kept[one] for one in wallet_ids if one in self._kept}
        if not found or len(found) != len(wallet_ids):
            return None
        if self._credit < 1:
            self._credit += 1 / FORGIVEN_AFTER
            return None
        return found

    def was_right(self) -> None:
        """What was written by a guess is committed."""
        self._credit = min(SAVED_MOST, self._credit + EARNED)

    def was_wrong(self) -> None:
        """A guess met a conflict."""
        self._credit -= 1
