"""Fault rehearsal: rules that make steps fail on purpose, in dev and test only."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from payflow.domain.ledger import Leg


class FaultType(StrEnum):
    """How a rehearsed step fails."""

    ERROR = "error"
    TIMEOUT = "timeout"
    REJECT = "reject"


class FaultPhase(StrEnum):
    """Whether an error or timeout strikes before the commit, or after it landed."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule; an empty ``transfer_ids`` means every transfer.

    Raises:
        ValueError: a rate outside 0–1, or a rejection of a leg that cannot be refused.
    """

    step: Leg
    failure_type: FaultType
    failure_rate: float = 1.0
    phase: FaultPhase = FaultPhase.BEFORE
    transfer_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.failure_rate <= 1:
            raise ValueError("failure_rate must be between 0 and 1")
        if self.failure_type is FaultType.REJECT and not self.step.can_be_refused:
            raise ValueError("only debit and credit can be rejected")

    def concerns(self, transfer_id: str, leg: Leg) -> bool:
        """Whether the rule is about this leg of this transfer."""
        return self.step is leg and (not self.transfer_ids or transfer_id in self.transfer_ids)


@dataclass(frozen=True, slots=True)
class Simulation:
    """The rules in force, whatever process asks."""

    enabled: bool = False
    rules: tuple[FaultRule, ...] = ()

    def rejects(self, transfer_id: str, leg: Leg) -> bool:
        """Whether the leg is refused: drawn once per transfer and step, from a hash of both."""
        drawn = _share_of_one(transfer_id, leg)
        return any(
            drawn < rule.failure_rate
            for rule in self._concerning(transfer_id, leg)
            if rule.failure_type is FaultType.REJECT
        )

    def fault(
        self, transfer_id: str, leg: Leg, phase: FaultPhase, drawn: float
    ) -> FaultType | None:
        """The error or timeout that strikes this attempt, given a fresh draw from [0, 1)."""
        striking = (
            rule.failure_type
            for rule in self._concerning(transfer_id, leg)
            if rule.failure_type is not FaultType.REJECT
            and rule.phase is phase
            and drawn < rule.failure_rate
        )
        return next(striking, None)

    def _concerning(self, transfer_id: str, leg: Leg) -> tuple[FaultRule, ...]:
        if not self.enabled:
            return ()
        return tuple(rule for rule in self.rules if rule.concerns(transfer_id, leg))


def _share_of_one(transfer_id: str, leg: Leg) -> float:
    digest = sha256(f"{transfer_id}:{leg}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56
