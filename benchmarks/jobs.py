"""What the load generator is told and what it answers: plain values, one JSON line each."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

LEAD_S = 0.3  # until every caller has its connection and its first answer is on the way


@dataclass(frozen=True, slots=True)
class Order:
    """One request, repeated with a new idempotency key each time; the answer must hold a text."""

    method: str
    path: str
    token: str
    expect: str
    body: str = ""
    prefer: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """So many requests a second for so many seconds."""

    per_second: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Job:
    """Callers that ask one after the other, each with its own orders in a circle.

    Counted is what is answered in the ``seconds`` after ``lead_s``; with a ``limit`` everything
    is, and no more than so many requests are sent. A caller asks at most once in ``every_s``.

    With ``stages`` nobody waits for anybody: in each, for its seconds, as many requests are sent
    a second as it says, whatever became of those before (an open loop). Refusals are answers then.
    """

    host: str
    port: int
    callers: list[list[Order]]
    seconds: float
    lead_s: float = LEAD_S
    limit: int = 0
    every_s: float = 0.0
    stages: list[Stage] = field(default_factory=list)

    def to_line(self) -> str:
        """The job as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Self:
        """The job a line holds."""
        fields: dict[str, Any] = json.loads(line)
        callers = [[Order(**order) for order in orders] for orders in fields.pop("callers")]
        stages = [Stage(**stage) for stage in fields.pop("stages")]
        return cls(callers=callers, stages=stages, **fields)


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a job; ``answered`` counts the lead and the tail as well.

    Of a job with stages, ``told`` has each answer: the second it was due to be asked for, how many
    milliseconds after that it had come, and its status; 0 when the connection ended instead.
    """

    seconds: float
    latencies_ms: list[float]
    answered: int
    wrong: list[str]
    told: list[tuple[float, float, int]] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Right answers a second, inside the counted time."""
        return len(self.latencies_ms) / self.seconds
