"""Which calls are made again, and when: never one that could be carried out twice."""

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from payflow.client.call import Call
from payflow.domain.http_answers import retry_after_s

Outcome = httpx.Response | httpx.RequestError  # also an answer that cannot be decoded

_TOO_MANY = 429
_AWAY = frozenset({502, 503, 504})  # 502 and 504 are a proxy's words
_DOUBLINGS = 60  # of a pause; more of them are no number
_DICE = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how patiently a call is made again; ``attempts=1`` is once.

    Pauses double and are drawn between nothing and their length ("full jitter"), so that many
    clients of one outage do not come back together. A ``Retry-After`` is waited out, unless it is
    longer than ``longest_wait_s``.
    """

    attempts: int = 6
    first_pause_s: float = 0.2
    longest_pause_s: float = 8.0
    longest_wait_s: float = 60.0

    def pause_s(self, call: Call[object], outcome: Outcome, attempt: int) -> float | None:
        """Seconds until the call is made again after its ``attempt``-th (from 1); None: not."""
        if attempt >= self.attempts or not _may_repeat(call, outcome):
            return None
        doubled_s = self.first_pause_s * 2.0 ** min(attempt - 1, _DOUBLINGS)
        jitter_s = _DICE.uniform(0, min(self.longest_pause_s, doubled_s))
        asked_s = _asked_s(outcome) if isinstance(outcome, httpx.Response) else 0.0
        return asked_s + jitter_s if asked_s <= self.longest_wait_s else None


def _asked_s(answer: httpx.Response) -> float:
    now = datetime.fromtimestamp(time.time(), UTC)
    return retry_after_s(answer.headers.get("retry-after"), now) or 0.0


def _may_repeat(call: Call[object], outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return True  # nothing was sent
    if isinstance(outcome, httpx.RequestError):
        return call.repeatable
    if outcome.status_code == _TOO_MANY:
        return True  # refused before it was looked at
    return call.repeatable and outcome.status_code in _AWAY
