"""What MongoDB is asked to find what breaks a rule: a row is a finding, none is right.

Aggregations, so that the server folds and sorts (on disk where memory does not suffice) and only
findings travel. Amounts are added as decimals: a bare ``$sum`` of longs turns to float past 2^63.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson.decimal128 import Decimal128

from payflow.domain.invariants import Invariant, legal_step_sets
from payflow.domain.transfers import TransferStatus
from payflow.storage.documents import JournalDocument, TransferDocument, WalletDocument

Stage = Mapping[str, Any]

JOURNAL = JournalDocument.Settings.name
TRANSFERS = TransferDocument.Settings.name
WALLETS = WalletDocument.Settings.name

IN_TRANSIT = [status.value for status in TransferStatus if status.has_money_in_transit]
_MOVE_MONEY = ["debit", "credit", "refund", "deposit", "withdrawal"]
_NOUGHT = Decimal128("0")


@dataclass(frozen=True, slots=True)
class Question:
    """Stages over a collection; ``detail`` is filled in with the fields of a row.

    A row's ``subject`` is what the finding is about, its ``_id`` where it has none.
    """

    invariant: Invariant
    collection: str
    stages: Sequence[Stage]
    detail: str


def decimal(expression: object) -> dict[str, Any]:
    """The expression as a decimal; null when it is no number."""
    return {"$convert": {"input": expression, "to": "decimal", "onError": None, "onNull": None}}


def beside(collection: str, *fields: str) -> Stage:
    """The same of these documents, as rows of their own."""
    return {
        "$unionWith": {
            "coll": collection,
            "pipeline": [{"$project": dict.fromkeys(fields, 1)}],
        }
    }


def together(*fields: str) -> Stage:
    """The rows of one ``_id`` as one: each field is in one of them."""
    return {"$group": {"_id": "$_id"} | {field: {"$max": f"${field}"} for field in fields}}


def unless(expression: object) -> Stage:
    """Keep the rows of which it does not hold."""
    return {"$match": {"$expr": {"$not": [expression]}}}


def _folded(accounts: str) -> list[Stage]:
    """The postings of the accounts with this prefix, added up by account."""
    return [
        {"$unwind": "$postings"},
        {"$match": {"postings.account": {"$regex": f"^{accounts}"}}},
        {
            "$group": {
                "_id": "$postings.account",
                "folded": {"$sum": decimal("$postings.amount")},
                "currencies": {"$addToSet": "$currency"},
            }
        },
    ]


def _or(field: str, otherwise: object) -> dict[str, Any]:
    return {"$ifNull": [f"${field}", otherwise]}


_SUM_OF_POSTINGS = {
    "$reduce": {
        "input": _or("postings", []),
        "initialValue": _NOUGHT,
        "in": {"$add": ["$$value", decimal("$$this.amount")]},
    }
}

_WALLETS_POSTED = {
    "$filter": {
        "input": {"$map": {"input": _or("postings", []), "in": "$$this.account"}},
        "cond": {"$eq": [{"$substrBytes": ["$$this", 0, 4]}, "wal_"]},
    }
}

_TO_ITS_WALLET = {
    "$reduce": {
        "input": _or("postings", []),
        "initialValue": _NOUGHT,
        "in": {
            "$cond": [
                {"$eq": ["$$this.account", "$wallet_id"]},
                {"$add": ["$$value", decimal("$$this.amount")]},
                "$$value",
            ]
        },
    }
}

_IS_WHOLE = {
    "$and": [
        {"$ne": [_or("entry_id", ""), ""]},
        {"$ne": [_or("event.id", ""), ""]},
        {"$ne": [_or("event.type", ""), ""]},
        {"$in": [_or("outcome", "none"), ["none", "applied", "refused", "voided"]]},
        # two sides, where money moved; none, where it did not
        {
            "$eq": [
                {"$size": _or("postings", [])},
                {
                    "$cond": [
                        {
                            "$and": [
                                {"$eq": ["$outcome", "applied"]},
                                {"$in": ["$leg", _MOVE_MONEY]},
                            ]
                        },
                        2,
                        0,
                    ]
                },
            ]
        },
        # the wallet it touches, with its place among the wallet's entries
        {"$eq": [_WALLETS_POSTED, {"$cond": [_or("wallet_id", False), ["$wallet_id"], []]}]},
        {"$eq": [_or("wallet_id", 0), {"$cond": [_or("wallet_sequence", 0), "$wallet_id", 0]}]},
        # the first side is the wallet's, or the world's: what the event says, in or out
        {
            "$or": [
                {"$eq": [{"$size": _or("postings", [])}, 0]},
                {
                    "$eq": [
                        decimal({"$arrayElemAt": [_or("postings.amount", []), 0]}),
                        {
                            "$multiply": [
                                decimal("$event.data.amount"),
                                {"$cond": [{"$in": ["$leg", ["debit", "withdrawal"]]}, -1, 1]},
                            ]
                        },
                    ]
                },
            ]
        },
        {
            "$in": [
                _or("wallet_id", "none"),
                [
                    "none",
                    {
                        "$switch": {
                            "branches": [
                                {
                                    "case": {"$in": ["$leg", ["debit", "refund"]]},
                                    "then": "$event.data.source_wallet_id",
                                },
                                {
                                    "case": {"$eq": ["$leg", "credit"]},
                                    "then": "$event.data.destination_wallet_id",
                                },
                            ],
                            "default": "$event.data.wallet_id",
                        }
                    },
                ],
            ]
        },
        # the reason that its event gives, where it was refused or voided
        {
            "$or": [
                {"$in": [_or("outcome", "none"), ["none", "applied"]]},
                {"$eq": ["$code", _or("event.data.failure.code", False)]},
            ]
        },
    ]
}

_IS_LEGAL = {
    "$or": [
        {
            "$and": [
                {"$eq": ["$status", legal.status.value]},
                {"$eq": ["$refunded", legal.refunded]},
                {"$setEquals": [_or("steps", []), sorted(legal.steps)]},
            ]
        }
        for legal in sorted(legal_step_sets(), key=lambda one: sorted(one.steps))
    ]
}

QUESTIONS = (
    Question(
        Invariant.ENTRIES_BALANCE,
        JOURNAL,
        [
            {"$project": {"currency": 1, "sum": _SUM_OF_POSTINGS}},
            {"$match": {"sum": {"$ne": _NOUGHT}}},
        ],
        "its postings add up to {sum} {currency}",
    ),
    Question(
        Invariant.BALANCES_ARE_FOLDS,
        JOURNAL,
        [
            *_folded("wal_"),
            beside(WALLETS, "balance", "held", "currency"),
            together("folded", "currencies", "balance", "held", "currency"),
            unless(
                {
                    "$and": [
                        {"$eq": ["$balance", _or("folded", 0)]},
                        {"$eq": ["$held", 0]},
                        {"$setIsSubset": [_or("currencies", []), ["$currency"]]},
                    ]
                }
            ),
        ],
        "balance {balance} {currency}, held {held}; its postings come to {folded} {currencies}",
    ),
    Question(
        Invariant.BALANCES_ARE_FOLDS,
        JOURNAL,
        [
            {"$match": {"wallet_sequence": {"$exists": True}}},
            {
                "$project": {
                    "wallet_id": 1,
                    "wallet_sequence": 1,
                    "balance_after": 1,
                    "amount": _TO_ITS_WALLET,
                }
            },
            {
                "$setWindowFields": {
                    "partitionBy": "$wallet_id",
                    "sortBy": {"wallet_sequence": 1},
                    "output": {
                        "folded": {
                            "$sum": "$amount",
                            "window": {"documents": ["unbounded", "current"]},
                        }
                    },
                }
            },
            unless({"$eq": ["$balance_after", "$folded"]}),
            {"$group": {"_id": "$wallet_id", "first": {"$min": "$wallet_sequence"}}},
        ],
        "from its entry {first} on, the balance after it is not the sum of those up to it",
    ),
    Question(
        Invariant.NOBODY_BELOW_FLOOR,
        WALLETS,
        [
            {"$project": {"balance": 1, "held": 1}},
            unless({"$and": [{"$gte": ["$held", 0]}, {"$gte": ["$balance", "$held"]}]}),
        ],
        "balance {balance}, held {held}",
    ),
    Question(
        Invariant.NOBODY_BELOW_FLOOR,
        JOURNAL,
        [
            {"$match": {"balance_after": {"$lt": 0}}},
            {"$project": {"subject": "$wallet_id", "balance_after": 1}},
        ],
        "balance {balance_after} after {_id}",
    ),
    Question(
        Invariant.TRANSIT_ONLY_IN_FLIGHT,
        JOURNAL,
        [
            *_folded("transit:"),
            {"$set": {"_id": {"$substrBytes": ["$_id", len("transit:"), -1]}}},
            beside(TRANSFERS, "status", "amount"),
            together("folded", "status", "amount"),
            unless(
                {
                    "$eq": [
                        _or("folded", 0),
                        {"$cond": [{"$in": ["$status", IN_TRANSIT]}, "$amount", 0]},
                    ]
                }
            ),
        ],
        "{folded} in transit while it is {status}, of the amount {amount}",
    ),
    Question(
        Invariant.STEP_SETS_ARE_LEGAL,
        JOURNAL,
        [
            {"$match": {"transfer_id": {"$exists": True}, "outcome": {"$exists": True}}},
            {
                "$group": {
                    "_id": "$transfer_id",
                    "steps": {"$push": {"$concat": ["$leg", ":", "$outcome"]}},
                }
            },
            beside(TRANSFERS, "status", "refunded"),
            together("steps", "status", "refunded"),
            unless(_IS_LEGAL),
        ],
        "{status}, refunded {refunded}, by the steps {steps}",
    ),
    Question(
        Invariant.STEPS_ARE_WHOLE,
        JOURNAL,
        [
            unless(_IS_WHOLE),
            {"$project": {"leg": 1, "outcome": 1}},
        ],
        "a {leg} ({outcome}) without all of its postings, wallet, code and event",
    ),
    Question(
        Invariant.SEQUENCES_HAVE_NO_GAP,
        JOURNAL,
        [
            {"$match": {"wallet_sequence": {"$exists": True}}},
            # no two have the same number: the unique index sees to that
            {
                "$group": {
                    "_id": "$wallet_id",
                    "entries": {"$sum": 1},
                    "last": {"$max": "$wallet_sequence"},
                }
            },
            beside(WALLETS, "sequence"),
            together("entries", "last", "sequence"),
            unless(
                {
                    "$and": [
                        {"$eq": ["$sequence", _or("entries", 0)]},
                        {"$eq": ["$sequence", _or("last", 0)]},
                    ]
                }
            ),
        ],
        "{entries} entries, the last one number {last}; its sequence is {sequence}",
    ),
    Question(
        Invariant.SEQUENCES_HAVE_NO_GAP,
        JOURNAL,
        [
            {"$match": {"transfer_id": {"$exists": True}}},
            {"$group": {"_id": "$transfer_id", "numbers": {"$push": "$event.sequence"}}},
            beside(TRANSFERS, "sequence"),
            together("numbers", "sequence"),
            unless(
                {
                    "$and": [
                        {"$eq": ["$sequence", {"$size": _or("numbers", [])}]},
                        {
                            "$setEquals": [
                                _or("numbers", []),
                                {"$range": [1, {"$add": [{"$toInt": _or("sequence", 0)}, 1]}]},
                            ]
                        },
                    ]
                }
            ),
        ],
        "its events are number {numbers}; its sequence is {sequence}",
    ),
)
