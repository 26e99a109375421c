"""Webhook deliveries over MongoDB: each on record before it is tried, each attempt written down."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from loguru import logger
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import BulkWriteError

from payflow.domain.errors import BooksUnavailable, NotFound
from payflow.domain.event_ports import FeedEvent
from payflow.domain.identifiers import Prefix
from payflow.domain.ports import Clock, Page
from payflow.domain.users import Principal
from payflow.domain.webhook_ports import Opened, Overdue, Turn
from payflow.domain.webhooks import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    Verdict,
    wants,
)
from payflow.storage.identity import lowest_id
from payflow.storage.pages import page_of
from payflow.storage.reading import readable
from payflow.storage.transactions import Client, translated
from payflow.storage.transactions import Collection as Documents
from payflow.storage.visibility import visible_to
from payflow.storage.webhook_documents import WebhookDeliveryDocument, WebhookEndpointDocument
from payflow.storage.webhook_mapping import (
    attempt_fields,
    new_delivery,
    to_delivery,
    to_endpoint,
)
from payflow.storage.webhook_turns import Turns

KIND = "webhook_delivery"
PENDING = DeliveryStatus.PENDING.value

COME_FOR_WITHIN = timedelta(seconds=15)  # then it is overdue, and the pick-up comes for it
TOLD_AGAIN_AFTER = timedelta(seconds=60)  # a retry whose workflow was started for it
RETRIES_PER_ENDPOINT = 64  # a look starts no more of one endpoint's, so no backlog hides another's
EARLY_S = 0.5  # clocks of two machines; a wait that is over by less is over
WOKEN_AT_ONCE = 200  # workflows told of a cancellation; the rest find out at their next attempt
# A resend begins ten attempts anew, any number of times; 100 with 1 KiB of an answer each are read
# whole with their delivery.
MAX_ATTEMPTS_KEPT = 100
_DUPLICATE_KEY = 11_000

_UNTIMED: dict[str, Any] = {"next_attempt_at": None, "due_at": None}
WAITED_FOR: list[dict[str, Any]] = [
    {"$match": {"status": PENDING}},
    {"$sort": {"status": 1, "endpoint_id": 1, "due_at": 1}},
    {"$group": {"_id": "$endpoint_id", "due_at": {"$first": "$due_at"}}},
]


class MongoDeliveries:
    """The ``DeliveryRecords`` port."""

    def __init__(
        self, client: Client, database: str, clock: Clock, turns: Turns, *, keep_for: timedelta
    ) -> None:
        kept = client[database]
        self._deliveries: Documents = kept[WebhookDeliveryDocument.Settings.name]
        self._endpoints: Documents = kept[WebhookEndpointDocument.Settings.name]
        self._clock = clock
        self._turns = turns
        self._keep_for = keep_for

    async def open(self, events: Sequence[FeedEvent]) -> Sequence[Opened]:
        """Put a pending delivery on record for each endpoint that wants an event."""
        audience = sorted({user_id for event in events for user_id in event.audience})
        listening = {"$in": [EndpointStatus.ENABLED.value, EndpointStatus.PAUSED.value]}
        query = {"owner_id": {"$in": audience}, "status": listening}
        with translated():
            found = await self._endpoints.find(query).to_list()
            endpoints = readable(to_endpoint, found)
            new = [
                self._new(event, endpoint)
                for event in events
                for endpoint in endpoints
                if wants(endpoint, event)
            ]
            known = await self._insert(new)
        return [
            Opened(one["_id"], one["endpoint_id"])
            for one in new
            if one["_id"] not in known and one["next_attempt_at"] is not None
        ]

    async def reopen(
        self, delivery_ids: Collection[str], endpoint_id: str, *, only: Collection[DeliveryStatus]
    ) -> Sequence[str]:
        """Put deliveries in one of these states on their way again; the ids of those that were."""
        query = {
            "_id": {"$in": list(delivery_ids)},
            "endpoint_id": endpoint_id,
            "status": {"$in": [status.value for status in only]},
        }
        now = self._clock.now()
        fields = {"status": PENDING, "tries": 0, **_tried_at(now)}
        with translated():
            ids = await _ids(self._deliveries.find(query, {"_id": 1}))
            await self._deliveries.update_many({**query, "_id": {"$in": ids}}, {"$set": fields})
        return ids

    async def get(self, delivery_id: str, viewer: Principal) -> Delivery:
        """Read one, if the viewer owns it or is an operator; else ``NotFound``."""
        with translated():
            found = await self._deliveries.find_one(visible_to(viewer, delivery_id))
        if found is None:
            raise NotFound(KIND, delivery_id)
        return to_delivery(found)

    async def list(
        self, endpoint_id: str, status: DeliveryStatus | None, *, limit: int, after: str | None
    ) -> Page[Delivery]:
        """An endpoint's deliveries, newest first."""
        query = deliveries_wanted(endpoint_id, status, after)
        cursor = self._deliveries.find(query, sort=[("_id", DESCENDING)], limit=limit + 1)
        with translated():
            documents = await cursor.to_list()
        return page_of(documents, limit, to_delivery)

    async def unfulfilled(
        self, endpoint_id: str, since: datetime, *, limit: int, after: str | None
    ) -> Sequence[str]:
        """The ids of failed and cancelled deliveries of events since then, oldest first."""
        lost = [DeliveryStatus.FAILED.value, DeliveryStatus.CANCELLED.value]
        first = {"$gte": lowest_id(Prefix.DELIVERY, since)}
        query = {
            "endpoint_id": endpoint_id,
            "status": {"$in": lost},
            "_id": first if after is None else {"$gt": after},
        }
        cursor = self._deliveries.find(query, {"_id": 1}, sort=[("_id", ASCENDING)], limit=limit)
        with translated():
            return await _ids(cursor)

    async def take_turn(self, delivery_id: str) -> Turn | Verdict | None:
        """The right to try it now, or what is to be done instead; None: no place is free."""
        with translated():
            fields = await self._deliveries.find_one({"_id": delivery_id})
            if fields is None:  # a backup older than Temporal's; the pick-up starts what is there
                logger.error("delivery {} is not on record: its workflow ends itself", delivery_id)
                return Verdict(DeliveryStatus.CANCELLED)
            delivery = to_delivery(fields)
            if delivery.status is not DeliveryStatus.PENDING:
                return Verdict(delivery.status)
            early_s = self._early_s(delivery)
            if early_s > EARLY_S:
                return Verdict(DeliveryStatus.PENDING, early_s)
            endpoint = await self._turns.take(delivery.endpoint_id, delivery.id)
            if endpoint is not None:
                return Turn(endpoint, delivery)
            return await self._instead(delivery)

    async def put_off(self, delivery_id: str) -> Verdict:
        """Let a delivery that found no place wait until about one is free."""
        with translated():
            delivery = await self._deliveries.find_one({"_id": delivery_id}, {"endpoint_id": 1})
            if delivery is None:
                return Verdict(DeliveryStatus.CANCELLED)
            endpoint = await self._endpoints.find_one({"_id": delivery["endpoint_id"]})
            if endpoint is None:  # deleted just now: the next attempt cancels it
                return Verdict(DeliveryStatus.PENDING, 0.0)
            wait_s = self._turns.wait_s(to_endpoint(endpoint), await self._backlog(endpoint["_id"]))
            await self._deliveries.update_one(
                {"_id": delivery_id, "status": PENDING},
                {"$set": _tried_at(self._clock.now() + timedelta(seconds=wait_s))},
            )
        return Verdict(DeliveryStatus.PENDING, wait_s)

    async def hold(self, turn: Turn) -> None:
        """Keep the turn for longer: its holder is alive and the subscriber has not answered."""
        with translated():
            await self._turns.hold(turn.delivery.endpoint_id, turn.delivery.id)

    async def record(self, turn: Turn, attempt: Attempt, *, again_in: timedelta | None) -> Endpoint:
        """Write the attempt down and hand the turn back; the endpoint as it stands then."""
        delivery = turn.delivery
        ended = DeliveryStatus.SUCCEEDED if attempt.succeeded else DeliveryStatus.FAILED
        state: dict[str, Any] = (
            self._ended(ended) if again_in is None else _tried_at(self._clock.now() + again_in)
        )
        latest = {"$each": [attempt_fields(attempt)], "$slice": -MAX_ATTEMPTS_KEPT}
        written = {"$push": {"attempts": latest}, "$inc": {"tries": 1}}
        pending = {"_id": delivery.id, "status": PENDING}
        with translated():
            # side by side: a place that is free before the record is safe costs nobody anything
            result, after = await asyncio.gather(
                self._deliveries.update_one(pending, {**written, "$set": state}),
                self._turns.hand_back(delivery.endpoint_id, delivery.id, attempt),
            )
            if not result.matched_count:  # cancelled meanwhile: it stays so, and the attempt shows
                await self._deliveries.update_one({"_id": delivery.id}, written)
        return after or turn.endpoint

    async def cancel_pending(self, endpoint_id: str) -> Sequence[str]:
        """Cancel what an endpoint that is gone or disabled still waits for; some of their ids."""
        query = {"endpoint_id": endpoint_id, "status": PENDING}
        with translated():
            under_way = {**query, "tries": {"$gt": 0}}
            ids = await _ids(self._deliveries.find(under_way, {"_id": 1}, limit=WOKEN_AT_ONCE))
            await self._deliveries.update_many(
                query, {"$set": self._ended(DeliveryStatus.CANCELLED)}
            )
        return ids

    async def set_waiting(self, endpoint_id: str, status: EndpointStatus) -> None:
        """Hold the pending ones of a paused endpoint back, or make those of a resumed one due."""
        now = self._clock.now()
        held: dict[str, Any] = {"endpoint_id": endpoint_id, "status": PENDING}
        fields = self._held()
        if status is EndpointStatus.ENABLED:
            held["next_attempt_at"] = None
            fields = {"next_attempt_at": now, "due_at": now, "expires_at": None}
        with translated():
            await self._deliveries.update_many(held, {"$set": fields})

    async def overdue(self, room: Callable[[str], int]) -> Overdue:
        """Pending deliveries nobody has come for; each is told once in a while.

        Untried ones there is no room for wait on, and let those behind them be looked at.
        """
        now = self._clock.now()
        untried: list[Opened] = []
        tried: list[str] = []
        waiting: list[str] = []
        with translated():
            waited_for = await self._waited_for()
            await self._release([one for one, due_at in waited_for.items() if due_at is None])
            for endpoint_id, due_at in waited_for.items():
                # one that is no time hides those behind it: they are asked for
                if isinstance(due_at, datetime) and due_at > now:
                    continue
                free = room(endpoint_id)
                found = await self._overdue_at(endpoint_id, now, RETRIES_PER_ENDPOINT + free)
                first = [one["_id"] for one in found if not one.get("tries")]
                untried += [Opened(one, endpoint_id) for one in first[:free]]
                waiting += first
                tried += [one["_id"] for one in found if one.get("tries")][:RETRIES_PER_ENDPOINT]
            await self._tell(tried, now + TOLD_AGAIN_AFTER)
            await self._tell(waiting, now + COME_FOR_WITHIN)
        return Overdue(untried, tried)

    async def _overdue_at(
        self, endpoint_id: str, now: datetime, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        query = {"status": PENDING, "endpoint_id": endpoint_id, "due_at": {"$lt": now}}
        order = [("due_at", ASCENDING)]
        return await self._deliveries.find(query, {"tries": 1}, sort=order, limit=limit).to_list()

    async def _tell(self, delivery_ids: Sequence[str], again_at: datetime) -> None:
        if delivery_ids:
            await self._deliveries.update_many(
                {"_id": {"$in": delivery_ids}, "status": PENDING, "due_at": {"$ne": None}},
                {"$set": {"due_at": again_at}},
            )

    async def _waited_for(self) -> Mapping[str, datetime | None]:
        """When the first pending delivery of each endpoint is due; None where one is held back.

        One step through the index for each endpoint, however many deliveries it has.
        """
        cursor = await self._deliveries.aggregate(WAITED_FOR)
        return {one["_id"]: one["due_at"] for one in await cursor.to_list()}

    async def _release(self, held_back: Sequence[str]) -> None:
        """Make due what is held for an owner who is back or an endpoint that was just resumed."""
        held = {
            "_id": {"$in": held_back},
            "$or": [{"status": EndpointStatus.PAUSED.value}, {"owner_away": True}],
        }
        still = set(await _ids(self._endpoints.find(held, {"_id": 1}))) if held_back else set()
        for endpoint_id in held_back:
            if endpoint_id not in still:
                await self.set_waiting(endpoint_id, EndpointStatus.ENABLED)

    def _new(self, event: FeedEvent, endpoint: Endpoint) -> dict[str, Any]:
        now = self._clock.now()
        times = self._held() if endpoint.is_held else _tried_at(now)
        return {**new_delivery(event, endpoint), **times, "created_at": now}

    async def _insert(self, new: Sequence[dict[str, Any]]) -> set[str]:
        """Insert them all; the ids of those that were there before."""
        if not new:
            return set()
        try:
            await self._deliveries.insert_many(new, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            failures = details.get("writeErrors", [])
            if details.get("writeConcernErrors") or any(
                one["code"] != _DUPLICATE_KEY for one in failures
            ):
                raise BooksUnavailable from error  # not all of them are on record for certain
            return {new[one["index"]]["_id"] for one in failures}
        return set()

    def _ended(self, status: DeliveryStatus) -> dict[str, Any]:
        """What a delivery that ends this way is from now on, until it is forgotten."""
        return {"status": status.value, **self._held()}

    def _held(self) -> dict[str, Any]:
        """The times of a delivery that nobody is to come for: it is forgotten after them.

        One that is held for a paused endpoint or an inactive owner is kept for as long as one
        that has ended, so that neither piles up.
        """
        return {**_UNTIMED, "expires_at": self._clock.now() + self._keep_for}

    def _early_s(self, delivery: Delivery) -> float:
        if delivery.next_attempt_at is None:
            return 0.0
        return (delivery.next_attempt_at - self._clock.now()).total_seconds()

    async def _instead(self, delivery: Delivery) -> Verdict | None:
        """Why there was no turn: the endpoint is gone, disabled, held or (None) busy."""
        fields = await self._endpoints.find_one({"_id": delivery.endpoint_id})
        endpoint = to_endpoint(fields) if fields else None
        if endpoint is None or endpoint.status is EndpointStatus.DISABLED:
            await self.cancel_pending(delivery.endpoint_id)
            return Verdict(DeliveryStatus.CANCELLED)
        if not endpoint.is_held:
            return None
        await self._deliveries.update_one(
            {"_id": delivery.id, "status": PENDING}, {"$set": self._held()}
        )
        return Verdict(DeliveryStatus.PENDING)

    async def _backlog(self, endpoint_id: str) -> int:
        soon = self._clock.now() + TOLD_AGAIN_AFTER
        query = {"endpoint_id": endpoint_id, "status": PENDING, "next_attempt_at": {"$lt": soon}}
        return await self._deliveries.count_documents(query, limit=Turns.MOST_COUNTED)


def deliveries_wanted(
    endpoint_id: str, status: DeliveryStatus | None, after: str | None
) -> dict[str, Any]:
    """The query of a page of an endpoint's deliveries."""
    query: dict[str, Any] = {"endpoint_id": endpoint_id}
    if status is not None:
        query["status"] = status.value
    if after is not None:
        query["_id"] = {"$lt": after}
    return query


def _tried_at(moment: datetime) -> dict[str, Any]:
    return {"next_attempt_at": moment, "due_at": moment + COME_FOR_WITHIN, "expires_at": None}


async def _ids(cursor: Any) -> list[str]:  # noqa: ANN401  # the driver's cursor of projections
    found: Iterable[Mapping[str, Any]] = await cursor.to_list()
    return [str(one["_id"]) for one in found]
