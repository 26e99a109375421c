"""One document at a time changed behind the books' back, and the rules that it breaks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from payflow.domain.invariants import Invariant
from tests.contracts.proven import ProvenBooks
from tests.fakes import START

Fields = dict[str, Any]
Named = Callable[[ProvenBooks], Any]


@dataclass(frozen=True)
class Spoilt:
    """A change to one document, what it breaks, and who is named for it."""

    what: str
    collection: str
    key: Named
    change: Fields
    breaks: set[Invariant]
    subject: Named = field(default=lambda books: books.alice)


EVENTS = 21  # of the proven books


def debit_of_completed(books: ProvenBooks) -> str:
    return f"{books.completed}:debit"


def completed(books: ProvenBooks) -> str:
    return books.completed


def alice(books: ProvenBooks) -> str:
    return books.alice


def batch(books: ProvenBooks) -> str:
    return books.batch


ORDERED: tuple[Fields, ...] = (
    {"amount": 11},
    {"currency": "EUR"},
    {"source_wallet_id": "wal_OTHER"},
    {"destination_wallet_id": "wal_OTHER"},
    {"wallet_ids": []},
    {"payer_id": "usr_MALLORY"},
    {"payee_id": "usr_MALLORY"},
    {"party_ids": ["usr_MALLORY"]},
    {"description": "Lunch"},
    {"metadata": [{"key": "order", "value": "7"}]},
    {"workflow_id": "transfer/trf_OTHER"},
    {"created_at": START},
    {"batch_id": "bat_OTHER"},
    {"batch_index": 7},
    {"failure": {"code": "wallet_frozen", "message": "It is frozen."}},
    {"needs_attention": True},
    {"updated_at": START},
    {"completed_at": START},
)
OF_A_BATCH: tuple[Fields, ...] = (
    {"owner_id": "usr_MALLORY"},
    {"mode": "independent"},
    {"total": 3},
    {"created_at": START},
    {"status": "completed"},
)

SPOILT = [
    Spoilt(
        "a balance is a cent more",
        "wallets",
        alice,
        {"$inc": {"balance": 1}},
        {Invariant.BALANCES_ARE_FOLDS, Invariant.MONEY_IS_CONSERVED},
    ),
    Spoilt(
        "a cent is held for nobody",
        "wallets",
        alice,
        {"$inc": {"held": 1}},
        {Invariant.BALANCES_ARE_FOLDS},
    ),
    Spoilt(
        "a wallet changes its currency",
        "wallets",
        alice,
        {"$set": {"currency": "EUR"}},
        {Invariant.BALANCES_ARE_FOLDS, Invariant.MONEY_IS_CONSERVED},
    ),
    Spoilt(
        "a wallet owes",
        "wallets",
        lambda books: books.bob,
        {"$set": {"balance": -1}},
        {
            Invariant.NOBODY_BELOW_FLOOR,
            Invariant.BALANCES_ARE_FOLDS,
            Invariant.MONEY_IS_CONSERVED,
        },
        lambda books: books.bob,
    ),
    Spoilt(
        "a wallet once owed",
        "journal",
        debit_of_completed,
        {"$set": {"balance_after": -1}},
        {Invariant.NOBODY_BELOW_FLOOR, Invariant.BALANCES_ARE_FOLDS},
    ),
    Spoilt(
        "a posting is a cent more",
        "journal",
        debit_of_completed,
        {"$inc": {"postings.1.amount": 1}},
        {Invariant.ENTRIES_BALANCE, Invariant.TRANSIT_ONLY_IN_FLIGHT},
        debit_of_completed,
    ),
    Spoilt(
        "a posting's amount is no number",
        "journal",
        debit_of_completed,
        {"$set": {"postings.1.amount": "ten"}},
        {
            Invariant.ENTRIES_BALANCE,
            Invariant.TRANSIT_ONLY_IN_FLIGHT,
            Invariant.DOCUMENTS_READABLE,
        },
        debit_of_completed,
    ),
    Spoilt(
        "a transfer in flight changes its amount",
        "transfers",
        lambda books: books.in_flight,
        {"$inc": {"amount": 1}},
        {
            Invariant.TRANSIT_ONLY_IN_FLIGHT,
            Invariant.MONEY_IS_CONSERVED,
            Invariant.RECORDS_MATCH_ENTRIES,
        },
        lambda books: books.in_flight,
    ),
    *(
        Spoilt(
            f"an ended transfer changes its {next(iter(fields))}",
            "transfers",
            completed,
            {"$set": fields},
            {Invariant.RECORDS_MATCH_ENTRIES},
            completed,
        )
        for fields in ORDERED
    ),
    *(
        Spoilt(
            f"a batch changes its {next(iter(fields))}",
            "batches",
            batch,
            {"$set": fields},
            {Invariant.RECORDS_MATCH_ENTRIES},
            batch,
        )
        for fields in OF_A_BATCH
    ),
    Spoilt(
        "both sides of a step are a cent more",
        "journal",
        debit_of_completed,
        {"$set": {"postings.0.amount": -11, "postings.1.amount": 11}},
        {
            Invariant.STEPS_ARE_WHOLE,
            Invariant.BALANCES_ARE_FOLDS,
            Invariant.TRANSIT_ONLY_IN_FLIGHT,
        },
        debit_of_completed,
    ),
    Spoilt(
        "a balance after an entry is a cent more",
        "journal",
        debit_of_completed,
        {"$inc": {"balance_after": 1}},
        {Invariant.BALANCES_ARE_FOLDS},
    ),
    Spoilt(
        "a refusal has another reason than its event",
        "journal",
        lambda books: f"{books.refused}:debit",
        {"$set": {"code": "wallet_frozen"}},
        {Invariant.STEPS_ARE_WHOLE},
        lambda books: f"{books.refused}:debit",
    ),
    Spoilt(
        "a transfer skips its post",
        "transfers",
        completed,
        {"$set": {"status": "credited"}},
        {Invariant.STEP_SETS_ARE_LEGAL},
        completed,
    ),
    Spoilt(
        "a transfer is called refunded",
        "transfers",
        completed,
        {"$set": {"refunded": True}},
        {Invariant.STEP_SETS_ARE_LEGAL},
        completed,
    ),
    Spoilt(
        "an applied step was refused after all",
        "journal",
        lambda books: f"{books.completed}:post",
        {"$set": {"outcome": "refused"}},
        {Invariant.STEP_SETS_ARE_LEGAL, Invariant.STEPS_ARE_WHOLE},
        completed,
    ),
    Spoilt(
        "an applied step has lost its postings",
        "journal",
        debit_of_completed,
        {"$set": {"postings": []}},
        {
            Invariant.STEPS_ARE_WHOLE,
            Invariant.BALANCES_ARE_FOLDS,
            Invariant.TRANSIT_ONLY_IN_FLIGHT,
        },
        debit_of_completed,
    ),
    Spoilt(
        "a step has lost its event",
        "journal",
        debit_of_completed,
        {"$unset": {"event.id": True}},
        {
            Invariant.STEPS_ARE_WHOLE,
            Invariant.FEED_TELLS_THE_JOURNAL,
            Invariant.DOCUMENTS_READABLE,
        },
        debit_of_completed,
    ),
    Spoilt(
        "a step touches a wallet it does not name",
        "journal",
        debit_of_completed,
        {"$unset": {"wallet_sequence": True}},
        {
            Invariant.STEPS_ARE_WHOLE,
            Invariant.SEQUENCES_HAVE_NO_GAP,
            Invariant.BALANCES_ARE_FOLDS,
        },
        debit_of_completed,
    ),
    Spoilt(
        "a wallet's entry has another number",
        "journal",
        debit_of_completed,
        {"$inc": {"wallet_sequence": 100}},
        {Invariant.SEQUENCES_HAVE_NO_GAP, Invariant.BALANCES_ARE_FOLDS},
    ),
    Spoilt(
        "a wallet's sequence is one behind",
        "wallets",
        alice,
        {"$inc": {"sequence": -1}},
        {Invariant.SEQUENCES_HAVE_NO_GAP},
    ),
    Spoilt(
        "a transfer's event has another's number",
        "journal",
        debit_of_completed,
        {"$inc": {"event.sequence": 1}},
        {Invariant.SEQUENCES_HAVE_NO_GAP, Invariant.FEED_TELLS_THE_JOURNAL},
        completed,
    ),
    Spoilt(
        "a transfer's sequence is one ahead",
        "transfers",
        completed,
        {"$inc": {"sequence": 1}},
        {Invariant.SEQUENCES_HAVE_NO_GAP},
        completed,
    ),
    Spoilt(
        "an event in the feed is told otherwise",
        "feed",
        lambda books: 2,
        {"$set": {"event.data.amount": 1}},
        {Invariant.FEED_CHAIN_HOLDS, Invariant.FEED_TELLS_THE_JOURNAL},
        lambda books: "2",
    ),
    Spoilt(
        "a link of the chain is another",
        "feed",
        lambda books: 3,
        {"$set": {"hash": "0" * 64}},
        {Invariant.FEED_CHAIN_HOLDS},
        lambda books: "3",
    ),
    Spoilt(
        "the relay believes in another end",
        "relay",
        lambda books: "place",
        {"$inc": {"position": 1}},
        {Invariant.FEED_CHAIN_HOLDS},
        lambda books: str(EVENTS),
    ),
]
