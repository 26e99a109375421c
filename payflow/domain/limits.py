"""How much a caller may ask for: quotas, what is left of them, and what is said when nothing is.

PayflowError
├── RateLimited     this caller has had enough for now
├── TooManyBatches  this caller has enough batches in progress
└── Overloaded      this process has enough to do for now
"""

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from payflow.domain.errors import PayflowError

_RATE = re.compile(r"([1-9][0-9]{0,9})/([1-9][0-9]{0,4})?(second|minute|hour|day)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``amount`` of something in any ``window_s`` seconds: the window slides."""

    name: str
    amount: int
    window_s: int

    @classmethod
    def parse(cls, name: str, rate: str) -> "Quota":
        """The quota that ``600/minute`` or ``100/15minute`` stands for, or ``ValueError``."""
        found = _RATE.fullmatch(rate.strip())
        if not found:
            raise ValueError(f"{rate!r} is no rate such as 600/minute or 100/15minute")
        return cls(name, int(found[1]), int(found[2] or 1) * _SECONDS[found[3]])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of asking for some of a quota.

    ``remaining`` is what is left, ``reset_s`` how long until more of it is.
    """

    quota: Quota
    passed: bool
    remaining: int
    reset_s: float

    @property
    def retry_after_s(self) -> int:
        """Whole seconds after which asking again may help; never 0."""
        return max(1, ceil(self.reset_s))


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether one was taken; how much is left, as soon as that is known."""

    passed: bool
    verdict: Awaitable[Verdict]


class Quotas(Protocol):
    """Counts what callers take, for all processes together as far as they can be reached.

    Never raises: where the shared count is away, each process counts for itself.
    """

    async def take(self, quota: Quota, key: str) -> Verdict:
        """Take one, exactly counted: of any number who ask at once no more pass than may."""
        ...

    async def take_soon(self, quota: Quota, key: str) -> Taken:
        """Take one, exactly counted; what is left is asked for while the caller goes on."""
        ...

    async def take_cheaply(self, quota: Quota, key: str) -> Taken:
        """Take one, counted in blocks: no more pass than may, in some windows a few less."""
        ...

    async def look(self, quota: Quota, key: str) -> Verdict:
        """Whether one could be taken; takes none."""
        ...

    async def forget(self, quota: Quota, key: str) -> None:
        """Give back all that was taken under the key."""
        ...


class RateLimited(PayflowError):
    """The caller has used up a quota; ``verdict`` says which, and for how long."""

    code = "rate_limited"

    def __init__(self, verdict: Verdict) -> None:
        quota = verdict.quota
        super().__init__(
            f"No more than {quota.amount} in {quota.window_s} s ({quota.name}); "
            f"try again in {verdict.retry_after_s} s."
        )
        self.verdict = verdict


class TooManyBatches(PayflowError):
    """The account has as many batches in progress as one may have."""

    code = "too_many_batches"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} batches in progress; wait until one has ended, or cancel one."
        )


class Overloaded(PayflowError):
    """More requests are under way in this process than it can answer in good time.

    With ``of_caller`` they are the caller's own, beyond their share.
    """

    code = "overloaded"

    def __init__(self, *, of_caller: bool = False) -> None:
        whose = "Too many of your requests" if of_caller else "Too many requests"
        super().__init__(f"{whose} are under way here; try again.")
