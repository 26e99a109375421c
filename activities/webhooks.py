"""The step that brings an event to a subscriber: one attempt, written down."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from activities.alive import alive
from payflow.domain.webhook_ports import Attempts
from payflow.domain.webhooks import Verdict


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """Which delivery to try."""

    delivery_id: str


class WebhookActivities:
    """Tries a delivery."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    @activity.defn
    async def deliver(self, step: DeliveryAttempt) -> Verdict:
        """Try the delivery if it is due; what is to be done about it next."""
        async with alive():
            return await self._attempts.attempt(step.delivery_id)

    def all(self) -> list[Callable[..., Any]]:
        """Every step, for a worker's list."""
        return [self.deliver]
