"""Turns at an endpoint: so many attempts at once, counted in its document, whoever makes them.

A slow subscriber fills its own places and nobody else's. A turn is short and its holder, while it
lives, holds on to it; one whose process died runs out by the database's clock. The update that
takes a turn reads the endpoint, which each attempt needs anyway, so the limit costs no extra round
trip.
"""

import random
from typing import Any, ClassVar

from pymongo import ReturnDocument, WriteConcern

from payflow.domain.webhooks import Attempt, Endpoint, EndpointStatus
from payflow.storage.transactions import Client, Collection
from payflow.storage.webhook_documents import WebhookEndpointDocument
from payflow.storage.webhook_mapping import to_endpoint

WHILE_FAILING = 2  # places of an endpoint that fails: its others would only wait for time-outs
LASTS_S = 8.0  # a dead holder's place is free again after that; a live one holds on every 2 s
USUAL_ANSWER_S = 0.5  # of one that was never asked, to guess when a place is free
SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0  # one that is well again waits no longer than that
LONGEST_WHILE_WELL_S = 15.0  # one slow answer among quick ones says little about the next


class Turns:
    """Takes and hands back turns; forgotten ones run out."""

    MOST_COUNTED: ClassVar = 10_000

    def __init__(self, client: Client, database: str, *, places: int) -> None:
        # a lost turn costs one attempt too many at the same time: not worth a replica's answer
        self._endpoints: Collection = client[database][
            WebhookEndpointDocument.Settings.name
        ].with_options(write_concern=WriteConcern(w=1))
        self._places = places

    async def take(self, endpoint_id: str, delivery_id: str) -> Endpoint | None:
        """A turn for the delivery, with the endpoint as it stands; None when there is none."""
        places = {"$cond": [_IS_FAILING, min(WHILE_FAILING, self._places), self._places]}
        found = await self._endpoints.find_one_and_update(
            {
                "_id": endpoint_id,
                "status": EndpointStatus.ENABLED.value,
                "owner_away": {"$ne": True},
                "$expr": {
                    "$and": [
                        {"$lt": [{"$size": _LIVE}, places]},
                        {"$not": {"$in": [delivery_id, _ids_of(_LIVE)]}},
                    ]
                },
            },
            [
                {
                    "$set": {
                        "turns": {
                            "$concatArrays": [
                                _LIVE,
                                [{"delivery_id": delivery_id, "until": _UNTIL}],
                            ]
                        }
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        return to_endpoint(found) if found else None

    async def hold(self, endpoint_id: str, delivery_id: str) -> None:
        """Let the delivery's turn, if it still has one, last from now on."""
        mine = {"$eq": ["$$this.delivery_id", delivery_id]}
        held = {"$mergeObjects": ["$$this", {"until": _UNTIL}]}
        turns = {"$map": {"input": _TURNS, "in": {"$cond": [mine, held, "$$this"]}}}
        await self._endpoints.update_one(
            {"_id": endpoint_id, "turns.delivery_id": delivery_id}, [{"$set": {"turns": turns}}]
        )

    async def hand_back(
        self, endpoint_id: str, delivery_id: str, attempt: Attempt
    ) -> Endpoint | None:
        """Free the place, note since when it fails and how long it took; None: it is deleted."""
        others = {
            "$filter": {"input": _TURNS, "cond": {"$ne": ["$$this.delivery_id", delivery_id]}}
        }
        since = None if attempt.succeeded else {"$ifNull": ["$failing_since", attempt.at]}
        found = await self._endpoints.find_one_and_update(
            {"_id": endpoint_id},
            [
                {
                    "$set": {
                        "turns": others,
                        "failing_since": since,
                        "answered_in_ms": attempt.duration_ms,
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        return to_endpoint(found) if found else None

    def wait_s(self, endpoint: Endpoint, backlog: int) -> float:
        """When to ask again: about when the backlog will be done, so that few ask in vain."""
        failing = endpoint.failing_since is not None
        known = endpoint.answered_in_ms is not None
        answer_s = (endpoint.answered_in_ms or 0) / 1_000 if known else USUAL_ANSWER_S
        places = min(WHILE_FAILING, self._places) if failing else self._places
        guess_s = backlog * answer_s / places
        spread = random.uniform(0.5, 1.5)  # noqa: S311  # nosec B311  # no secret
        longest_s = LONGEST_WAIT_S if failing else LONGEST_WHILE_WELL_S
        return min(max(guess_s, SHORTEST_WAIT_S), longest_s) * spread


_UNTIL: dict[str, Any] = {"$add": ["$$NOW", round(LASTS_S * 1_000)]}
_IS_FAILING: dict[str, Any] = {"$gt": ["$failing_since", None]}
_TURNS: dict[str, Any] = {"$cond": [{"$isArray": "$turns"}, "$turns", []]}
_LIVE: dict[str, Any] = {"$filter": {"input": _TURNS, "cond": {"$gt": ["$$this.until", "$$NOW"]}}}


def _ids_of(turns: dict[str, Any]) -> dict[str, Any]:
    return {"$map": {"input": turns, "in": "$$this.delivery_id"}}
