"""Transfers and batches held against their entries: what was ordered, and how it stands."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.invariants import Finding, Invariant
from payflow.domain.records import in_words
from payflow.proof.questions import JOURNAL, TRANSFERS, together, unless
from payflow.proof.sums import Database
from payflow.storage.documents import BatchDocument

BATCHES = BatchDocument.Settings.name

Fields = Mapping[str, Any]

# field of a transfer -> where its init entry has it
_ORDERED = {
    "amount": "$event.data.amount",
    "currency": "$event.data.currency",
    "source_wallet_id": "$event.data.source_wallet_id",
    "destination_wallet_id": "$event.data.destination_wallet_id",
    "wallet_ids": ["$event.data.source_wallet_id", "$event.data.destination_wallet_id"],
    "description": "$event.data.description",
    "metadata": "$event.data.metadata",
    "workflow_id": "$event.data.workflow_id",
    "payer_id": "$order.payer_id",
    "payee_id": "$order.payee_id",
    "batch_id": "$order.batch_id",
    "batch_index": "$order.batch_index",
    "batch_mode": "$order.batch_mode",
    "created_at": "$created_at",
}

# the state that no other rule holds against the steps -> where the last entry has it
_STATE = {
    "needs_attention": "$event.data.needs_attention",
    "failure": "$event.data.failure.code",
    "updated_at": "$created_at",
    "completed_at": {
        "$cond": [
            {"$eq": [{"$ifNull": ["$event.data.completed_at", None]}, None]},
            None,
            "$created_at",
        ]
    },
}

_BATCH = {
    "owner_id": "$event.data.owner_id",
    "mode": "$event.data.mode",
    "total": "$event.data.total",
    "items": "$event.data.total",
    "created_at": "$created_at",
}


async def differing_records(
    database: Database, session: AsyncClientSession
) -> AsyncIterator[Finding]:
    """Transfers and batches that are not what their entries say."""
    for collection, stages in ((JOURNAL, _transfers()), (JOURNAL, _batches())):
        found = await database[collection].aggregate(stages, session=session, allowDiskUse=True)
        async for row in found:
            yield Finding(Invariant.RECORDS_MATCH_ENTRIES, str(row["_id"]), _detail(row))


def _transfers() -> list[Fields]:
    last = {"n": "$event.sequence", **_nulled(_STATE)}  # the largest by its first field
    return [
        {"$match": {"transfer_id": {"$exists": True}}},
        {
            "$group": {
                "_id": "$transfer_id",
                "ordered": {"$max": {"$cond": [_is_init(), _nulled(_ORDERED), None]}},
                "last": {"$max": last},
            }
        },
        {"$unset": "last.n"},
        {
            "$unionWith": {
                "coll": TRANSFERS,
                "pipeline": [
                    {
                        "$project": {
                            "kept": _nulled(_as_kept(_ORDERED)),
                            "stands": _nulled(
                                {**_as_kept(_STATE), "failure": "$failure.code"},
                            ),
                            "parties": _parties_match(),
                        }
                    }
                ],
            }
        },
        together("ordered", "last", "kept", "stands", "parties"),
        unless(
            {
                "$and": [
                    {"$eq": ["$ordered", "$kept"]},
                    {"$eq": ["$last", "$stands"]},
                    {"$eq": ["$parties", True]},
                ]
            }
        ),
    ]


def _batches() -> list[Fields]:
    kept = {**_as_kept(_BATCH), "items": "$total"}
    counts = {
        "completed": {"$sum": {"$cond": [{"$eq": ["$status", "completed"]}, 1, 0]}},
        "failed": {"$sum": {"$cond": [{"$eq": ["$status", "failed"]}, 1, 0]}},
        "items": {"$sum": 1},
    }
    return [
        {"$match": {"batch_id": {"$exists": True}, "leg": "init"}},
        {"$project": {"_id": "$batch_id", "ordered": _nulled(_BATCH)}},
        {
            "$unionWith": {
                "coll": BATCHES,
                "pipeline": [
                    {
                        "$project": {
                            "kept": _nulled(kept),
                            "ended": {"$ne": ["$status", "processing"]},
                            "stands": {"completed": "$completed", "failed": "$failed"},
                        }
                    }
                ],
            }
        },
        {
            "$unionWith": {
                "coll": TRANSFERS,
                "pipeline": [
                    {"$match": {"batch_id": {"$exists": True}}},
                    {"$group": {"_id": "$batch_id", **counts}},
                    {
                        "$project": {
                            "items": 1,
                            "last": {"completed": "$completed", "failed": "$failed"},
                        }
                    },
                ],
            }
        },
        together("ordered", "kept", "ended", "stands", "items", "last"),
        unless(
            {
                "$and": [
                    {"$eq": ["$ordered", "$kept"]},
                    {"$eq": ["$items", "$ordered.items"]},
                    {"$or": [{"$not": ["$ended"]}, _is_counted()]},
                ]
            }
        ),
    ]


def _is_counted() -> Fields:
    """Whether a batch that has ended has counted its items, all of which have ended."""
    ended = {"$add": ["$last.completed", "$last.failed"]}
    return {"$and": [{"$eq": ["$last", "$stands"]}, {"$eq": ["$items", ended]}]}


def _is_init() -> Fields:
    return {"$eq": ["$leg", "init"]}


def _as_kept(fields: Iterable[str]) -> dict[str, Any]:
    return {name: f"${name}" for name in fields}


def _nulled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with null for what is missing, so that both sides have the same names."""
    return {
        name: where if isinstance(where, list) else {"$ifNull": [where, None]}
        for name, where in fields.items()
    }


def _parties_match() -> Fields:
    """Whether the list that is searched has payer and payee, and no other."""
    parties = {"$cond": [{"$isArray": "$party_ids"}, "$party_ids", []]}
    return {"$setEquals": [parties, ["$payer_id", "$payee_id"]]}


def _detail(row: Fields) -> str:
    """What the document says otherwise than its entries."""
    if row.get("kept") is None or row.get("ordered") is None:
        return "has no document" if row.get("kept") is None else "has no init entry"
    told = []
    for kept, said in (("kept", "ordered"), ("stands", "last")):
        document, entry = row.get(kept) or {}, row.get(said) or {}
        names = [name for name in document if document[name] != entry.get(name)]
        if names:
            differing = in_words({name: document[name] for name in names})
            due = in_words({name: entry.get(name) for name in names})
            told.append(f"says {differing}; its entries say {due}")
    if row.get("parties") is False:
        told.append("its party_ids are not its payer and payee")
    if "items" in row and not told:
        counted = in_words(row.get("last") or {})
        told.append(f"it has {row['items']} items: {counted}")
    return "; ".join(told)
