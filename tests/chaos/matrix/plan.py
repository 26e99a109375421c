"""What the matrix is made of: shapes, points, faults; the runs, and the cells that cannot be."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from payflow.domain.ledger import Leg


class Shape(StrEnum):
    """How a saga goes."""

    COMPLETED = "completed"
    REFUSED = "refused"  # at its debit
    COMPENSATED = "compensated"  # its credit is refused, the money goes home
    PARKED = "parked"  # and repaired: an operator's verb is under way as the fault strikes
    BATCH = "batch"


class Point(StrEnum):
    """Where a saga stands as the fault strikes."""

    ACCEPTED = "accepted"  # committed by the API, neither started nor answered
    BEFORE_STEP = "before_step"
    INSIDE_TRANSACTION = "inside_transaction"
    BEFORE_ACKNOWLEDGEMENT = "before_acknowledgement"
    BETWEEN_STEPS = "between_steps"
    IN_COMPENSATION = "in_compensation"


class Fault(StrEnum):
    """What strikes."""

    KILL_WORKER = "kill_worker"
    KILL_API = "kill_api"
    KILL_RELAY = "kill_relay"
    KILL_MONGOD = "kill_mongod"
    KILL_TEMPORAL = "kill_temporal"
    KILL_REDIS = "kill_redis"
    STEP_DOWN = "step_down"  # the primary of three members
    ANSWER_LOST = "answer_lost"
    TWICE = "twice"  # the same activity in two processes at once
    ZOMBIE = "zombie"  # its attempt goes on after the time-out, behind another's
    LATENCY = "latency"
    RESET = "reset"
    HALF_OPEN = "half_open"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_BEHIND = "clock_behind"


# What needs our proxy between PayFlow and its servers.
ON_THE_WIRE = frozenset({Fault.LATENCY, Fault.RESET, Fault.HALF_OPEN})
AMID_STEP = (Point.BEFORE_STEP, Point.INSIDE_TRANSACTION, Point.BEFORE_ACKNOWLEDGEMENT)

_NOTHING_TO_LOSE = "nothing has been done that anybody could acknowledge"
_NO_ACTIVITY = "no activity runs there: the story has its answer and has not asked again"
_API_ALONE = "the API accepts, no activity does"


@dataclass(frozen=True, slots=True)
class Run:
    """One fault at one point, with all shapes in flight."""

    point: Point
    fault: Fault

    def __str__(self) -> str:
        return f"{self.fault}-{self.point}"

    def impossible(self) -> str | None:
        """Why there is no such run, if so."""
        match self.point, self.fault:
            case Point.BEFORE_STEP, Fault.ANSWER_LOST:
                return _NOTHING_TO_LOSE
            case Point.BETWEEN_STEPS, Fault.TWICE | Fault.ZOMBIE:
                return _NO_ACTIVITY
            case Point.ACCEPTED, Fault.TWICE | Fault.ZOMBIE:
                return _API_ALONE
        return None

    def impossible_for(self, shape: Shape) -> str | None:
        """Why the shape has no cell in this run, if so."""
        match self.point, shape:
            case Point.ACCEPTED, Shape.PARKED:
                return "it was accepted long before it parked"
            case Point.BETWEEN_STEPS, Shape.REFUSED:
                return "it has one step, and there is none between one"
            case Point.IN_COMPENSATION, Shape.COMPLETED | Shape.REFUSED:
                return "nothing is given back"
            case Point.IN_COMPENSATION, Shape.BATCH:
                return "its items are refunded inside the transaction that refuses the credit"
        return None

    def shapes(self) -> list[Shape]:
        """The shapes that are in flight."""
        return [shape for shape in Shape if self.impossible_for(shape) is None]


@dataclass(frozen=True, slots=True)
class Impossible:
    """A cell, or cells, that cannot exist, and why."""

    point: Point
    fault: Fault | None  # None: whatever the fault
    shape: Shape | None  # None: whatever the shape
    reason: str


def runs() -> list[Run]:
    """Every run there is, in order."""
    every = (Run(point, fault) for point in Point for fault in Fault)
    return [run for run in every if run.impossible() is None]


def impossible() -> Iterator[Impossible]:
    """What is missing in the product of shapes, points and faults."""
    for point in Point:
        for shape in Shape:
            if reason := Run(point, Fault.KILL_WORKER).impossible_for(shape):
                yield Impossible(point, None, shape, reason)
        for fault in Fault:
            if reason := Run(point, fault).impossible():
                yield Impossible(point, fault, None, reason)


def seed() -> int:
    """What everything drawn comes from; ``PAYFLOW_STORM_SEED`` sets another."""
    return int(os.environ.get("PAYFLOW_STORM_SEED", "20261122"))


def drawn_for(run: Run) -> random.Random:
    """The run's own dice, the same whether it runs alone or among all."""
    return random.Random(f"{seed()}:{run}")


def parked_at(run: Run) -> Leg:
    """The step at which the run's parked transfer waits for its operator."""
    if run.point is Point.IN_COMPENSATION:
        return Leg.REFUND
    if run.point is Point.BETWEEN_STEPS:
        return drawn_for(run).choice([Leg.DEBIT, Leg.CREDIT])
    return drawn_for(run).choice([Leg.DEBIT, Leg.CREDIT, Leg.POST])
