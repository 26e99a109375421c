"""What must hold of the books in every snapshot: each rule by its name, and what breaks it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from payflow.domain.ledger import LEAVES, REACHES, Outcome
from payflow.domain.transfers import TransferStatus


class Invariant(StrEnum):
    """The rules; the names are stable, for programs."""

    ENTRIES_BALANCE = "entries_balance"
    MONEY_IS_CONSERVED = "money_is_conserved"
    BALANCES_ARE_FOLDS = "balances_are_folds"
    NOBODY_BELOW_FLOOR = "nobody_below_floor"
    TRANSIT_ONLY_IN_FLIGHT = "transit_only_in_flight"
    STEP_SETS_ARE_LEGAL = "step_sets_are_legal"
    STEPS_ARE_WHOLE = "steps_are_whole"
    SEQUENCES_HAVE_NO_GAP = "sequences_have_no_gap"
    FEED_CHAIN_HOLDS = "feed_chain_holds"
    FEED_TELLS_THE_JOURNAL = "feed_tells_the_journal"
    RECORDS_MATCH_ENTRIES = "records_match_entries"
    HISTORIES_MATCH_JOURNAL = "histories_match_journal"
    SAGAS_ARE_ALIVE = "sagas_are_alive"
    HISTORY_ONLY_GROWS = "history_only_grows"
    CHANGES_HAVE_ENTRIES = "changes_have_entries"
    DOCUMENTS_READABLE = "documents_readable"

    @property
    def meaning(self) -> str:
        """What holds, for people."""
        return _MEANING[self]


_MEANING: Mapping[Invariant, str] = MappingProxyType(
    {
        Invariant.ENTRIES_BALANCE: "The postings of every entry add up to zero in its currency.",
        Invariant.MONEY_IS_CONSERVED: "In each currency wallets and transit hold what came in "
        "from the world, less what went out.",
        Invariant.BALANCES_ARE_FOLDS: "Every balance is the sum of its wallet's postings, all in "
        "the wallet's currency; nothing is held.",
        Invariant.NOBODY_BELOW_FLOOR: "No wallet is, or ever was, below zero.",
        Invariant.TRANSIT_ONLY_IN_FLIGHT: "A transfer's amount is in transit exactly while it is "
        "debited or refunding.",
        Invariant.STEP_SETS_ARE_LEGAL: "The steps of every transfer are those that lead to the "
        "state it is in.",
        Invariant.STEPS_ARE_WHOLE: "Every recorded step has its postings, its wallet and its "
        "event; they move what its transfer or movement says, and a refusal moves nothing.",
        Invariant.SEQUENCES_HAVE_NO_GAP: "The entries of each wallet and the events of each "
        "transfer are numbered from 1 to its sequence.",
        Invariant.FEED_CHAIN_HOLDS: "Every position of the feed is taken, and each event's hash "
        "seals it and all before it.",
        Invariant.FEED_TELLS_THE_JOURNAL: "The feed has every event of the journal, word for "
        "word, and no other.",
        Invariant.RECORDS_MATCH_ENTRIES: "Every transfer and batch is what its first entry says "
        "was ordered, and stands as its last entry says; no wallet changes owner or currency.",
        Invariant.HISTORIES_MATCH_JOURNAL: "Each step result in a workflow's history has its "
        "journal entry with the same outcome, and each entry of a transfer whose history is kept "
        "has its result there or is the step that waits.",
        Invariant.SAGAS_ARE_ALIVE: "Every transfer that has not ended has a running workflow, its "
        "own or its batch's, and every such workflow its transfer.",
        Invariant.HISTORY_ONLY_GROWS: "Nothing in the journal or the feed was ever changed or "
        "removed.",
        Invariant.CHANGES_HAVE_ENTRIES: "No balance, no transfer and no batch ever changed but "
        "together with the entry that says so.",
        Invariant.DOCUMENTS_READABLE: "Every stored document has the fields of its kind, each of "
        "the right type.",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that breaks a rule: ``subject_id`` is a wallet, transfer, entry or position."""

    invariant: Invariant
    subject_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class LegalSteps:
    """The steps, as ``leg:outcome``, by which a transfer comes to a state."""

    status: TransferStatus
    steps: frozenset[str]
    refunded: bool


@cache
def legal_step_sets() -> frozenset[LegalSteps]:
    """Every way through the state machine of the books, to each state it passes."""
    return frozenset(_ways(LegalSteps(TransferStatus.INITIATED, frozenset(), refunded=False)))


def _ways(stand: LegalSteps) -> Iterator[LegalSteps]:
    yield stand
    for (leg, outcome), status in REACHES.items():
        if LEAVES[leg] is stand.status:
            steps = stand.steps | {f"{leg.value}:{outcome.value}"}
            refunded = stand.status is TransferStatus.REFUNDING and outcome is Outcome.APPLIED
            yield from _ways(LegalSteps(status, steps, refunded))
