"""Which calls are made again, and when: never one that could be carried out twice."""

import secrets
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from payflow.client.calls import Call

Outcome = httpx.Response | httpx.TransportError

_TOO_MANY = 429
_AWAY = frozenset({502, 503, 504})  # 502 and 504 are a proxy's words
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
        jitter_s = _DICE.uniform(
            0, min(self.longest_pause_s, self.first_pause_s * 2.0 ** (attempt - 1))
        )
        asked_s = retry_after_s(outcome) if isinstance(outcome, httpx.Response) else 0.0
        return asked_s + jitter_s if asked_s <= self.longest_wait_s else None


def retry_after_s(answer: httpx.Response) -> float:
    """Seconds that ``Retry-After`` asks for (RFC 9110 §10.2.3); 0 when it says nothing."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def _may_repeat(call: Call[object], outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return True  # nothing was sent
    if isinstance(outcome, httpx.TransportError):
        return call.repeatable
    if outcome.status_code == _TOO_MANY:
        return True  # refused before it was looked at
    return call.repeatable and outcome.status_code in _AWAY
