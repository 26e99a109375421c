"""One attempt at a delivery: a turn, a signed request, and the record of what came of it."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from loguru import logger

from payflow.domain.observing import UNOBSERVED, Delivered, Observer
from payflow.domain.ports import Clock
from payflow.domain.webhook_ports import Couriers, DeliveryRecords, Endpoints, Turn
from payflow.domain.webhooks import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Verdict,
    is_to_be_disabled,
    live_secrets,
    wait_before_next,
)
from payflow.webhooks.sealing import Sealer
from payflow.webhooks.sending import Sender
from payflow.webhooks.signing import signed_headers


class DeliveryAttempts:
    """The ``Attempts`` port: what the direct dispatch and the workflow both do."""

    def __init__(  # noqa: PLR0913  # its six parts, each from another room
        self,
        records: DeliveryRecords,
        endpoints: Endpoints,
        sender: Sender,
        sealer: Sealer,
        clock: Clock,
        *,
        couriers: Couriers,
        disable_after: timedelta,
        pace: float,
        draw: Callable[[], float],
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._records = records
        self._endpoints = endpoints
        self._sender = sender
        self._sealer = sealer
        self._clock = clock
        self._couriers = couriers
        self._disable_after = disable_after
        self._pace = pace
        self._draw = draw
        self._observer = observer

    async def attempt(self, delivery_id: str) -> Verdict:
        """Try the delivery if it is due and its endpoint has a place free."""
        turn = await self._records.take_turn(delivery_id)
        if isinstance(turn, Verdict):
            return turn
        attempt = await self._send(turn)
        wait_s = None
        if not attempt.succeeded:
            tries = turn.delivery.tries + 1
            wait_s = wait_before_next(tries, self._draw(), attempt.retry_after_s, self._pace)
        return await self._settle(turn, attempt, wait_s)

    async def _send(self, turn: Turn) -> Attempt:
        endpoint, delivery = turn.endpoint, turn.delivery
        now = self._clock.now()
        keys = [self._sealer.open(one, endpoint.id) for one in live_secrets(endpoint, now)]
        body = delivery.body.encode()
        headers = signed_headers(delivery.event_id, now, body, keys)
        with self._observer.delivering(delivery.traceparent):
            attempt = await self._sender.post(endpoint.url, headers, body)
        self._observer.delivered(_told(delivery, attempt))
        return attempt

    async def _settle(self, turn: Turn, attempt: Attempt, wait_s: float | None) -> Verdict:
        again_in = None if wait_s is None else timedelta(seconds=wait_s)
        endpoint = await self._records.record(turn, attempt, again_in=again_in)
        logger.info(
            "delivery {} attempt {}: {}",
            turn.delivery.id,
            turn.delivery.tries + 1,
            attempt.status_code or attempt.error,
        )
        reason = is_to_be_disabled(endpoint, attempt, self._disable_after)
        if reason is not None:
            await self._endpoints.disable(endpoint.id, reason)
            await self._couriers.wake(await self._records.cancel_pending(endpoint.id))
            ended = DeliveryStatus.FAILED if wait_s is None else DeliveryStatus.CANCELLED
            return Verdict(ended)
        if wait_s is not None:
            return Verdict(DeliveryStatus.PENDING, wait_s)
        return Verdict(DeliveryStatus.SUCCEEDED if attempt.succeeded else DeliveryStatus.FAILED)


def _told(delivery: Delivery, attempt: Attempt) -> Delivered:
    seconds = attempt.duration_ms / 1000
    if not attempt.succeeded:
        return Delivered(seconds)
    happened = datetime.fromisoformat(json.loads(delivery.body)["created_at"])
    return Delivered(seconds, max(0.0, (attempt.at - happened).total_seconds()) + seconds)
