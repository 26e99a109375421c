"""What was asked, what was answered and when: the record the checker reads, and nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Kind(StrEnum):
    """What a client asked for, or the nemesis did."""

    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    READ = "read"
    SNAPSHOT = "snapshot"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    FAULT = "fault"


class Outcome(StrEnum):
    """``ok``: answered, ``found`` says how; ``info``: it may have happened, or may yet."""

    OK = "ok"
    INFO = "info"


@dataclass(slots=True)
class Operation:
    """One operation; times are seconds of one process's monotonic clock.

    ``asked`` and ``found`` hold plain JSON: amounts in minor units, wallets by id.
    """

    client: str
    kind: Kind
    invoked: float
    asked: Mapping[str, Any]
    ended: float | None = None
    outcome: Outcome = Outcome.INFO
    found: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Enough to find it in the record."""
        return f"{self.client} {self.kind} {dict(self.asked)} at {self.invoked:.4f}"


@dataclass(slots=True)
class History:
    """All operations of a run in the order of their invocation, and the opening balances."""

    seed: int
    opening: Mapping[str, int]
    operations: list[Operation] = field(default_factory=list)

    def of(self, *kinds: Kind) -> Sequence[Operation]:
        """The operations of these kinds."""
        return [one for one in self.operations if one.kind in kinds]

    def save(self, path: Path) -> None:
        """Write it as JSON lines: the opening, then an operation a line."""
        lines = [{"seed": self.seed, "opening": dict(self.opening)}]
        lines += [asdict(one) for one in self.operations]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    @classmethod
    def load(cls, path: Path) -> "History":
        """Read what ``save`` wrote."""
        head, *rest = [json.loads(line) for line in path.read_text().splitlines()]
        history = cls(head["seed"], head["opening"])
        for line in rest:
            kind, outcome = Kind(line.pop("kind")), Outcome(line.pop("outcome"))
            history.operations.append(Operation(kind=kind, outcome=outcome, **line))
        return history
