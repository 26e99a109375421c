"""One attempt at a delivery: a turn, a signed request, and the record of what came of it."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from loguru import logger

from payflow.domain.errors import Trouble
from payflow.domain.observing import UNOBSERVED, Delivered, Observer
from payflow.domain.ports import Clock
from payflow.domain.webhook_ports import Couriers, DeliveryRecords, Endpoints, Turn
from payflow.domain.webhooks import (
    INTERNAL_ERROR,
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

HOLD_EVERY_S = 2.0  # a turn lasts 8 s: three may be late before an attempt is made twice


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
        """Try the delivery if it is due; without a place it waits until about one is free."""
        verdict = await self.attempt_if_free(delivery_id)
        return await self._records.put_off(delivery_id) if verdict is None else verdict

    async def attempt_if_free(self, delivery_id: str) -> Verdict | None:
        """Try the delivery if it is due; None when its endpoint has no place free."""
        turn = await self._records.take_turn(delivery_id)
        if not isinstance(turn, Turn):
            return turn
        attempt = await self._send_and_hold(turn)
        wait_s = None
        if not attempt.succeeded:
            tries = turn.delivery.tries + 1
            wait_s = wait_before_next(tries, self._draw(), attempt.retry_after_s, self._pace)
        return await self._settle(turn, attempt, wait_s)

    async def _send_and_hold(self, turn: Turn) -> Attempt:
        """Send, and keep the turn while the subscriber thinks."""
        sending = asyncio.create_task(self._send(turn))
        try:
            while not (await asyncio.wait({sending}, timeout=HOLD_EVERY_S))[0]:
                try:
                    await self._records.hold(turn)
                except Trouble:
                    continue  # then no other process can take it either
                except Exception:  # what the subscriber answers is to be on record all the same
                    logger.exception("the turn of delivery {} was not held", turn.delivery.id)
            return sending.result()
        finally:
            sending.cancel()

    async def _send(self, turn: Turn) -> Attempt:
        """What came of the request; an exception is a failed attempt, or it would never end."""
        at, begun = self._clock.now(), time.monotonic()
        try:
            attempt = await self._post(turn, at)
        except Exception:  # a bug of ours, or a secret that no key opens
            logger.exception("delivery {} was not sent", turn.delivery.id)
            duration_ms = round((time.monotonic() - begun) * 1000)
            attempt = Attempt(at=at, duration_ms=duration_ms, error=INTERNAL_ERROR)
        try:
            self._observer.delivered(_told(turn.delivery, attempt))
        except Exception:  # what is counted must not undo what was sent
            logger.exception("delivery {} was not counted", turn.delivery.id)
        return attempt

    async def _post(self, turn: Turn, now: datetime) -> Attempt:
        endpoint, delivery = turn.endpoint, turn.delivery
        keys = [self._sealer.open(one, endpoint.id) for one in live_secrets(endpoint, now)]
        body = delivery.body.encode()
        headers = signed_headers(delivery.event_id, now, body, keys)
        with self._observer.delivering(delivery.traceparent):
            return await self._sender.post(endpoint.url, headers, body)

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
