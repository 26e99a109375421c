"""Journal documents to feed documents: an event, its place, who may see it, and its seal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loguru import logger

from payflow.domain.events import chain_hash, parties_told
from payflow.domain.transfers import TransferStatus
from payflow.storage.transactions import Collection, translated

Fields = dict[str, Any]


def is_readable(fields: Fields) -> bool:
    """Whether a journal document holds an event; a spoilt one must not hold up the others."""
    event = fields.get("event")
    if isinstance(event, Mapping) and event.get("id") and event.get("type"):
        return True
    logger.error("journal document {} holds no event", fields.get("_id"))
    return False


def placed(documents: Iterable[Fields], position: int, previous_hash: str) -> list[Fields]:
    """The feed documents that follow this position, each sealed to the one before it."""
    made = []
    for fields in documents:
        position += 1
        document: Fields = {
            "_id": position,
            "event_id": fields["event"]["id"],
            "event": fields["event"],
            "audience": fields["audience"],
        }
        # a leg's document names its transfer and the wallet it touched: the event is the transfer's
        subject = "transfer_id" if fields.get("transfer_id") else "wallet_id"
        for name in (subject, "endpoint_id", "traceparent"):
            if fields.get(name):
                document[name] = fields[name]
        document["previous_hash"] = previous_hash
        previous_hash = document["hash"] = chain_hash(document)
        made.append(document)
    return made


async def with_audience(documents: Sequence[Fields], transfers: Collection) -> list[Fields]:
    """The same; who may see an event that was journaled without saying so is looked up."""
    silent = [fields for fields in documents if "audience" not in fields]
    if not silent:
        return list(documents)
    ids = {fields["transfer_id"] for fields in silent if fields.get("transfer_id")}
    with translated():
        found = transfers.find({"_id": {"$in": sorted(ids)}}, {"payer_id": 1, "payee_id": 1})
        parties = {fields["_id"]: fields async for fields in found}
    return [
        fields if "audience" in fields else {**fields, "audience": _audience(fields, parties)}
        for fields in documents
    ]


def _audience(fields: Fields, parties: Mapping[str, Fields]) -> list[str]:
    data = fields["event"].get("data", {})
    told = parties.get(fields.get("transfer_id", ""))
    if told is None:
        return [data["owner_id"]] if "owner_id" in data else []
    return parties_told(
        TransferStatus(data["status"]), data["refunded"], told["payer_id"], told["payee_id"]
    )
