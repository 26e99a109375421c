"""The books folded commit by commit: what each one may change, and what it is held against.

Pure: ``Fold.take`` gets the changes of one commit, in the order in which commits were made, and
keeps what must be remembered of wallets, open transfers and events without a place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from payflow.domain.events import GENESIS, EventType, first_broken_link
from payflow.domain.identifiers import transit_account
from payflow.domain.invariants import Finding, Invariant
from payflow.domain.journal_reading import Entry, digest_of, read_entry
from payflow.domain.ledger import LEAVES, REACHES, Leg, Outcome
from payflow.domain.records import (
    BATCH_ORDER,
    BATCH_STATE,
    TRANSFER_STATE,
    WALLET_FIXED,
    WALLET_STATE,
    differing_names,
    fixed_names,
    in_words,
)
from payflow.domain.transfers import TransferStatus

Fields = Mapping[str, Any]

JOURNAL, FEED, WALLETS, TRANSFERS = "journal", "feed", "wallets", "transfers"
BATCHES = "batches"
INSERT, UPDATE = "insert", "update"

_POSTED = frozenset({"balance", "sequence"})  # what an entry changes of a wallet
_MOVED = ("status", "sequence", "refunded")  # what the memory knows of a transfer's state


@dataclass(frozen=True, slots=True)
class Change:
    """One document's change: ``fields`` are those of a new one, or those that were set."""

    collection: str
    operation: str
    key: str
    fields: Fields = field(default_factory=dict)


@dataclass(slots=True)
class WalletSum:
    """A wallet's postings so far, in minor units, and the number of its last entry."""

    balance: int = 0
    sequence: int = 0
    currency: str = ""
    fixed: Fields = field(default_factory=dict)  # as the wallet was opened


@dataclass(slots=True)
class TransferSum:
    """An open transfer by its entries; ``since`` is when its money came into transit."""

    status: str
    amount: int
    sequence: int
    transit: int = 0
    refunded: bool = False
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeedEnd:
    """The last place of the feed that was seen, and its seal."""

    position: int = 0
    hash: str = GENESIS


@dataclass(slots=True)
class Fold:
    """What is remembered of the books, and what was found against them.

    Whoever feeds it puts what he remembers into the three tables first. Afterwards ``touched``
    are the keys to remember anew: None means forget.
    """

    end: FeedEnd = FeedEnd()
    wallets: dict[str, WalletSum] = field(default_factory=dict)
    transfers: dict[str, TransferSum] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    accepted: int = 0
    ended: list[str] = field(default_factory=list)
    cleared_ms: list[int] = field(default_factory=list)

    def take(self, commit: Sequence[Change]) -> None:
        """Fold the changes of one commit."""
        by_kind: dict[str, list[Change]] = {}
        for change in commit:
            by_kind.setdefault(change.collection, []).append(change)
        entries = self._entries(by_kind.get(JOURNAL, ()))
        self._fold_wallets(entries, by_kind.get(WALLETS, ()))
        self._fold_transfers(entries, by_kind.get(TRANSFERS, ()))
        self._fold_batches(entries, by_kind.get(BATCHES, ()))
        for entry in entries:
            self.events[entry.event["id"]] = digest_of(entry.event)
            self.touched.add(entry.event["id"])
        for change in by_kind.get(FEED, ()):
            self._place(change)

    def _find(self, rule: Invariant, subject: str, detail: str) -> None:
        finding = Finding(rule, subject, detail)
        if not any((rule, subject) == (one.invariant, one.subject_id) for one in self.found):
            self.found.append(finding)

    def _entries(self, changes: Iterable[Change]) -> list[Entry]:
        entries = []
        for change in changes:
            if change.operation != INSERT:
                self._grew_otherwise(change)
                continue
            try:
                entry = read_entry(change.fields)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self._find(Invariant.STEPS_ARE_WHOLE, change.key, f"cannot be read: {error!r}")
                continue
            total = sum(amount for _, amount in entry.postings)
            if total:
                detail = f"its postings add up to {total} {entry.currency}"
                self._find(Invariant.ENTRIES_BALANCE, entry.key, detail)
            entries.append(entry)
        return entries

    def _grew_otherwise(self, change: Change) -> None:
        detail = f"{change.collection} is written once, and this was a {change.operation}"
        told = f"{detail} of {', '.join(sorted(change.fields))}" if change.fields else detail
        self._find(Invariant.HISTORY_ONLY_GROWS, change.key, told)

    # wallets

    def _fold_wallets(self, entries: Iterable[Entry], changes: Sequence[Change]) -> None:
        for change in changes:
            if change.operation == INSERT:
                self._open(change)
        moved = self._updates(changes)
        before = {key: self.wallets[key].balance for key in moved if key in self.wallets}
        posted = sorted((one for one in entries if one.wallet_id), key=_by_wallet)
        for entry in posted:
            self._post(entry)
        keys = {str(one.wallet_id) for one in posted}
        for key in sorted(keys):
            self._hold_wallet(key, {"balance": before.get(key), **moved.get(key, {})})
        for key in sorted(moved.keys() - keys):
            names = fixed_names(moved[key], WALLET_STATE)
            if names:
                told = in_words({name: moved[key][name] for name in names})
                detail = f"says {told}, and no entry was posted with it"
                self._find(Invariant.CHANGES_HAVE_ENTRIES, key, detail)

    def _updates(self, changes: Sequence[Change]) -> dict[str, Fields]:
        """What was set of each document in this commit; other ways to write one are nobody's."""
        moved: dict[str, Fields] = {}
        for change in changes:
            if change.operation == UPDATE:
                moved[change.key] = {**moved.get(change.key, {}), **change.fields}
            elif change.operation != INSERT:
                detail = f"was written by a {change.operation}, which nobody of ours does"
                self._find(Invariant.CHANGES_HAVE_ENTRIES, change.key, detail)
        return moved

    def _open(self, change: Change) -> None:
        self.touched.add(change.key)
        self.wallets[change.key] = WalletSum(
            currency=str(change.fields.get("currency")),
            fixed={n: change.fields[n] for n in WALLET_FIXED if n in change.fields},
        )
        names = ("balance", "sequence", "held")
        told = {name: change.fields[name] for name in names if change.fields.get(name)}
        if told:
            detail = f"was opened with {in_words(told)}, which no entry posted"
            self._find(Invariant.CHANGES_HAVE_ENTRIES, change.key, detail)

    def _post(self, entry: Entry) -> None:
        key = str(entry.wallet_id)
        kept = self.wallets.setdefault(key, WalletSum(currency=str(entry.currency)))
        self.touched.add(key)
        kept.balance += sum(amount for account, amount in entry.postings if account == key)
        kept.sequence += 1
        if entry.wallet_sequence != kept.sequence:
            detail = f"{entry.key} is entry {entry.wallet_sequence}, and must be {kept.sequence}"
            self._find(Invariant.SEQUENCES_HAVE_NO_GAP, key, detail)
        if entry.balance_after != kept.balance:
            detail = f"{entry.key} says {entry.balance_after}; its postings come to {kept.balance}"
            self._find(Invariant.BALANCES_ARE_FOLDS, key, detail)
        if kept.balance < 0:
            detail = f"balance {kept.balance} after {entry.key}"
            self._find(Invariant.NOBODY_BELOW_FLOOR, key, detail)
        if entry.currency != kept.currency:
            detail = f"{entry.key} posts {entry.currency} to a wallet of {kept.currency}"
            self._find(Invariant.BALANCES_ARE_FOLDS, key, detail)

    def _hold_wallet(self, key: str, says: Fields) -> None:
        """The wallet must say what its entries come to, in the commit that posts them."""
        due = {"balance": self.wallets[key].balance, "sequence": self.wallets[key].sequence}
        spoilt = fixed_names(says, WALLET_STATE | _POSTED)
        if spoilt or any(says.get(name) != due[name] for name in due):
            told = {n: says[n] for n in (*due, *spoilt) if says.get(n) is not None}
            detail = f"says {in_words(told) or 'nothing new'}; its entries come to {in_words(due)}"
            self._find(Invariant.CHANGES_HAVE_ENTRIES, key, detail)

    # transfers

    def _fold_transfers(self, entries: Iterable[Entry], changes: Sequence[Change]) -> None:
        steps = sorted((one for one in entries if one.transfer_id), key=_by_event)
        for entry in steps:
            self._step(entry)
        said = {str(one.transfer_id): one.said for one in steps}
        moved = self._updates(changes)
        for change in changes:
            if change.operation == INSERT:
                moved[change.key] = {**change.fields, **moved.get(change.key, {})}
        created = {change.key for change in changes if change.operation == INSERT}
        for key in sorted({*moved, *said}):
            self._hold_transfer(key, moved.get(key, {}), said.get(key), new=key in created)

    def _step(self, entry: Entry) -> None:
        key, said = str(entry.transfer_id), entry.said
        self.touched.add(key)
        if entry.leg == "init":
            self.accepted += 1
            self.transfers[key] = TransferSum("", int(said["amount"]), 0)
        kept = self.transfers.get(key)
        if kept is None:
            detail = f"{entry.key} is of a transfer that has ended, or never began"
            self._find(Invariant.STEP_SETS_ARE_LEGAL, key, detail)
            return
        after = _status_after(entry, kept.status)
        if after != said.get("status"):
            detail = f"{entry.key} leads from {kept.status} to {said.get('status')}, not {after}"
            self._find(Invariant.STEP_SETS_ARE_LEGAL, key, detail)
        kept.sequence += 1
        if entry.event["sequence"] != kept.sequence:
            detail = f"{entry.key} is event {entry.event['sequence']}, and must be {kept.sequence}"
            self._find(Invariant.SEQUENCES_HAVE_NO_GAP, key, detail)
        kept.status = str(said.get("status"))
        kept.refunded = kept.refunded or (entry.leg == Leg.REFUND and entry.outcome == "applied")
        transit = transit_account(key)
        kept.transit += sum(amount for account, amount in entry.postings if account == transit)
        self._hold_transit(key, kept, entry)

    def _hold_transit(self, key: str, kept: TransferSum, entry: Entry) -> None:
        carries = kept.status in _IN_TRANSIT
        if kept.transit != (kept.amount if carries else 0):
            detail = f"{kept.transit} in transit while {kept.status}, of the amount {kept.amount}"
            self._find(Invariant.TRANSIT_ONLY_IN_FLIGHT, key, detail)
        if carries and kept.since is None:
            kept.since = entry.at
        elif not carries and kept.since is not None:
            self.cleared_ms.append(max(0, int((entry.at - kept.since).total_seconds() * 1_000)))
            kept.since = None

    def _hold_transfer(self, key: str, claimed: Fields, said: Fields | None, *, new: bool) -> None:
        """The transfer must say what its entries led to, in the same commit."""
        kept = self.transfers.get(key)
        told = {name: claimed[name] for name in _MOVED if name in claimed}
        spoilt = _spoilt(claimed, said, new=new)
        due = {name: getattr(kept, name) for name in _MOVED} if kept is not None else {}
        stepped = said is not None
        if stepped != ("sequence" in told) or spoilt or any(told[n] != due.get(n) for n in told):
            says = in_words({**told, **{n: claimed[n] for n in spoilt}}) or "nothing new"
            detail = f"says {says}; its entries say {in_words(due) or 'nothing'}"
            self._find(Invariant.CHANGES_HAVE_ENTRIES, key, detail)
        if kept is not None and kept.status in _ENDED:
            del self.transfers[key]
            self.ended.append(key)

    # batches

    def _fold_batches(self, entries: Iterable[Entry], changes: Sequence[Change]) -> None:
        accepted = {str(one.said.get("id")): one.said for one in entries if _accepts_a_batch(one)}
        for change in changes:
            said = accepted.get(change.key, {})
            if change.operation == INSERT:
                self._hold_batch(
                    change, [n for n in BATCH_ORDER if change.fields.get(n) != said.get(n)]
                )
            elif change.operation == UPDATE:
                self._hold_batch(change, fixed_names(change.fields, BATCH_STATE))
            else:
                self._updates([change])

    def _hold_batch(self, change: Change, spoilt: Sequence[str]) -> None:
        if spoilt:
            told = in_words({name: change.fields.get(name) for name in spoilt})
            detail = f"says {told}; its init entry does not"
            self._find(Invariant.CHANGES_HAVE_ENTRIES, change.key, detail)

    # the feed

    def _place(self, change: Change) -> None:
        if change.operation != INSERT:
            self._grew_otherwise(change)
            return
        event, position = change.fields, int(change.key)
        if position != self.end.position + 1:
            detail = f"nothing is between {self.end.position} and {position}"
            self._find(Invariant.FEED_CHAIN_HOLDS, str(position), detail)
        if _is_broken(event, self.end.hash):
            detail = "its hash does not seal it and what is before it"
            self._find(Invariant.FEED_CHAIN_HOLDS, str(position), detail)
        event_id = str(event.get("event_id"))
        journaled = self.events.pop(event_id, None)
        self.touched.add(event_id)
        if journaled is None or journaled != _digest_or_none(event.get("event")):
            said = "otherwise than the journal" if journaled else "and the journal has not"
            self._find(Invariant.FEED_TELLS_THE_JOURNAL, event_id, f"told at {position}, {said}")
        self.end = FeedEnd(position, str(event.get("hash")))


_IN_TRANSIT = {status.value for status in TransferStatus if status.has_money_in_transit}
_ENDED = {status.value for status in TransferStatus if status.is_terminal}


def _spoilt(claimed: Fields, said: Fields | None, *, new: bool) -> list[str]:
    """The fields of a transfer that were set and may not be, or say otherwise than its event."""
    fixed = [] if new else fixed_names(claimed, TRANSFER_STATE)
    if said is None:
        moved = any(name in claimed for name in _MOVED)
        return fixed if fixed or moved else sorted(claimed)
    differing = differing_names(claimed, said)
    return fixed + [name for name in differing if name not in _MOVED and name not in fixed]


def _accepts_a_batch(entry: Entry) -> bool:
    return bool(entry.event["type"] == EventType.BATCH_ACCEPTED)


def _digest_or_none(event: object) -> str | None:
    try:
        return digest_of(event) if isinstance(event, Mapping) else None
    except (TypeError, ValueError):
        return None


def _is_broken(event: Fields, previous_hash: str) -> bool:
    try:
        return first_broken_link([event], previous_hash) is not None
    except (KeyError, TypeError, ValueError):
        return True


def _status_after(entry: Entry, before: str) -> str:
    """What the step leads to from there; a mark leaves things as they are."""
    if entry.leg == "init":
        return TransferStatus.INITIATED.value
    if entry.outcome is None:
        return before
    try:
        leg = Leg(entry.leg)
        if LEAVES[leg].value != before:
            return "nothing"
        return REACHES[leg, Outcome(entry.outcome)].value
    except (KeyError, ValueError):
        return "nothing"


def _by_wallet(entry: Entry) -> tuple[str, int]:
    return str(entry.wallet_id), entry.wallet_sequence


def _by_event(entry: Entry) -> tuple[str, int]:
    return str(entry.transfer_id), int(entry.event["sequence"])
