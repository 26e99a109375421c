"""Timelines over MongoDB: everything on record about a transfer, and its attempts sealed."""

from collections.abc import Sequence
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from payflow.domain.attempts import StepAttempt
from payflow.domain.ports import Clock
from payflow.domain.timeline_ports import ActOnTransfer, Noted, TimelineRecord, Unsealed
from payflow.domain.transfers import Transfer
from payflow.domain.webhooks import Delivery
from payflow.storage.documents import AuditDocument, JournalDocument, TransferDocument
from payflow.storage.endings import HAS_ENDED
from payflow.storage.mapping import to_transfer
from payflow.storage.reading import readable
from payflow.storage.timeline_documents import TimelineDocument
from payflow.storage.timeline_mapping import (
    attempt_fields,
    attempt_name,
    audited,
    to_act,
    to_journaled,
    to_noted,
)
from payflow.storage.transactions import Client, translated
from payflow.storage.webhook_documents import WebhookDeliveryDocument
from payflow.storage.webhook_mapping import to_delivery

DELIVERIES_AT_MOST = 200  # 7 events to 20 endpoints of each party
ACTS_AT_MOST = 200
OPERATOR_ACTS = "operator_acts"


class MongoTimelines:
    """The ``TimelineStore`` port."""

    def __init__(self, client: Client, database: str, clock: Clock) -> None:
        kept = client[database]
        self._journal = kept[JournalDocument.Settings.name]
        self._transfers = kept[TransferDocument.Settings.name]
        self._timelines = kept[TimelineDocument.Settings.name]
        self._deliveries = kept[WebhookDeliveryDocument.Settings.name]
        self._acts = kept[OPERATOR_ACTS]
        self._audit = kept[AuditDocument.Settings.name]
        self._clock = clock

    async def record(self, transfer: Transfer) -> TimelineRecord:
        """Everything on record about the transfer.

        The attempts are read before the journal: an answer noted is in the journal read after it.
        """
        with translated():
            noted = await self._noted(transfer.id)
            query = {"transfer_id": transfer.id}
            journal = await self._journal.find(query).to_list()
            deliveries = await self._delivered(transfer.id)
            acts = await self._done_to(transfer.id)
        return TimelineRecord(
            transfer=transfer,
            journal=sorted(readable(to_journaled, journal), key=lambda one: one.sequence),
            noted=noted,
            deliveries=deliveries,
            acts=acts,
        )

    async def unsealed(self, limit: int, after: str = "") -> Unsealed:
        """Ended transfers whose attempts were noted and are not sealed, oldest first."""
        with translated():
            noted = await self._timelines.aggregate(
                [
                    {"$match": {"sealed": False, "_id": {"$gt": after}}},
                    {"$sort": {"_id": ASCENDING}},
                    {
                        "$lookup": {
                            "from": TransferDocument.Settings.name,
                            "localField": "_id",
                            "foreignField": "_id",
                            "as": "transfer",
                        }
                    },
                    {"$match": {f"transfer.{field}": is_so for field, is_so in HAS_ENDED.items()}},
                    {"$limit": limit},
                    {"$project": {"transfer": 1}},
                ]
            )
            found = await noted.to_list()
        transfers = readable(to_transfer, [one["transfer"][0] for one in found])
        return Unsealed(transfers, found[-1]["_id"] if len(found) == limit else None)

    async def seal(self, transfer_id: str, attempts: Sequence[StepAttempt]) -> None:
        """Keep these attempts and no others from now on; the first seal holds."""
        fields: dict[str, Any] = {
            "attempts": {attempt_name(one): attempt_fields(one) for one in attempts},
            "noted": len(attempts),
            "sealed": True,
            "sealed_at": self._clock.now(),
        }
        with translated():
            try:
                await self._timelines.update_one(
                    {"_id": transfer_id, "sealed": False}, {"$set": fields}, upsert=True
                )
            except DuplicateKeyError:
                return  # another was first

    async def _noted(self, transfer_id: str) -> Noted:
        fields = await self._timelines.find_one({"_id": transfer_id})
        if fields is None:
            return Noted()
        return to_noted(fields)

    async def _delivered(self, transfer_id: str) -> Sequence[Delivery]:
        found = self._deliveries.find(
            {"transfer_id": transfer_id}, {"body": 0}, limit=DELIVERIES_AT_MOST
        )
        documents = [{**fields, "body": ""} for fields in await found.to_list()]
        return readable(to_delivery, documents)

    async def _done_to(self, transfer_id: str) -> list[ActOnTransfer]:
        """The acts on it, each once, oldest first; the audit log has them under the same ids."""
        log = self._audit.find({"subject_id": transfer_id}, limit=ACTS_AT_MOST)
        acts = {one["_id"]: act for one in await log.to_list() for act in readable(audited, [one])}
        own = self._acts.find({"transfer_id": transfer_id}, limit=ACTS_AT_MOST)
        acts |= {one["_id"]: act for one in await own.to_list() for act in readable(to_act, [one])}
        return sorted(acts.values(), key=lambda act: act.at)
