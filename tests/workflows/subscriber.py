"""A subscriber in memory, by the domain's rules, on whatever clock it is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from payflow.domain.webhooks import (
    Attempt,
    DeliveryStatus,
    DisabledReason,
    Endpoint,
    Verdict,
    is_to_be_disabled,
    wait_before_next,
)
from tests.fakes import START

FIVE_DAYS = timedelta(days=5)


@dataclass
class Subscriber:
    """``Attempts`` in memory, by the domain's rules: answers as told, on the skipping clock."""

    now: Callable[[], Awaitable[datetime]]
    answers: list[int] = field(default_factory=list)
    retry_after_s: float | None = None
    drawn: float = 0.5
    failing_since: datetime | None = None
    trouble: int = 0
    cancelled: bool = False
    disabled: DisabledReason | None = None
    tries: list[datetime] = field(default_factory=list)

    async def attempt(self, delivery_id: str) -> Verdict:
        if self.trouble:
            self.trouble -= 1
            raise ConnectionError("the books are away")
        if self.cancelled:
            return Verdict(DeliveryStatus.CANCELLED)
        at = await self.now()
        self.tries.append(at)
        attempt = Attempt(at, 1, self.answers.pop(0) if self.answers else 500)
        if attempt.succeeded:
            return Verdict(DeliveryStatus.SUCCEEDED)
        self.failing_since = self.failing_since or at
        endpoint = Endpoint(
            "whe_1", "usr_1", "", ("*",), START, START, failing_since=self.failing_since
        )
        self.disabled = is_to_be_disabled(endpoint, attempt, FIVE_DAYS)
        wait_s = wait_before_next(len(self.tries), self.drawn, self.retry_after_s)
        if wait_s is None:
            return Verdict(DeliveryStatus.FAILED)
        if self.disabled is not None:
            return Verdict(DeliveryStatus.CANCELLED)
        return Verdict(DeliveryStatus.PENDING, wait_s)

    async def attempt_if_free(self, delivery_id: str) -> Verdict:
        return await self.attempt(delivery_id)  # nobody else delivers here

    @property
    def gaps_s(self) -> list[float]:
        pairs = zip(self.tries, self.tries[1:], strict=False)
        return [(later - earlier).total_seconds() for earlier, later in pairs]
