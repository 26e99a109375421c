"""Every retry policy and timeout of our workflows, each number with its reason.

The saga's steps:

lane       kind of activity   per attempt   altogether        next attempt after
fast       local              2 s           3 s, 3 attempts   50 ms, doubling
durable    ordinary           10 s          park_after_s      0.5 s, doubling, at most 5 s
parked     ordinary           10 s          no limit          60 s, or an operator's verb
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio.common import RetryPolicy

# The books refuse to record it, so trying again soon cannot help: it parks.
ILLEGAL_MOVE = "IllegalMove"

# How a step says that it did not find its transfer, its batch.
ABSENT = frozenset({"UnknownTransfer", "NotFound"})

# Absence proves nothing while a commit may be in doubt (8 s) or a primary is elected (5 s). Who is
# still not found by the majority after this is not in the ledger. A workflow that ends by mistake
# is started again by the sweep.
ABSENT_FOR = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Lane:
    """How a step is tried; ``altogether`` None means until it answers."""

    start_to_close: timedelta
    altogether: timedelta | None
    retry: RetryPolicy


# A step takes 5-40 ms; three tries in 3 s cover a restarted primary's hiccup without an event
# in the history. What takes longer is for the durable lane, where an operator sees it.
FAST_LANE = Lane(
    start_to_close=timedelta(seconds=2),
    altogether=timedelta(seconds=3),
    retry=RetryPolicy(
        initial_interval=timedelta(milliseconds=50),
        backoff_coefficient=2.0,
        maximum_attempts=3,
        non_retryable_error_types=[ILLEGAL_MOVE],
    ),
)

# 10 s: an election takes 2-5 s, and a step whose worker died is tried again after this.
_STEP_TIMEOUT = timedelta(seconds=10)


def durable_lane(park_after_s: int) -> Lane:
    """The long policy; when it runs out, the saga parks."""
    return Lane(
        start_to_close=_STEP_TIMEOUT,
        altogether=timedelta(seconds=park_after_s),
        retry=RetryPolicy(
            initial_interval=timedelta(milliseconds=500),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=5),
            non_retryable_error_types=[ILLEGAL_MOVE],
        ),
    )


# One attempt a minute, for ever: it never gives up by itself, but what is absent is asked for.
PARKED_LANE = Lane(
    start_to_close=_STEP_TIMEOUT,
    altogether=None,
    retry=RetryPolicy(
        initial_interval=timedelta(minutes=1),
        backoff_coefficient=1.0,
        non_retryable_error_types=sorted(ABSENT),
    ),
)

# An operator's act is written down before it is done; what cannot be written within a minute is
# not done, and the operator is told so.
RECORD_LANE = Lane(
    start_to_close=_STEP_TIMEOUT,
    altogether=timedelta(minutes=1),
    retry=RetryPolicy(
        initial_interval=timedelta(milliseconds=200),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=5),
    ),
)

# A step that is silent for so long is listed among those that are retried: a minute is longer
# than an election, and shorter than the time after which it parks.
LISTED_AFTER = timedelta(minutes=1)

# Items of a batch that one activity takes, in one transaction: about 0.3 s in which their
# wallets are held; the round trips of an activity are a tenth of that.
BATCH_CHUNK = 500

# A leg of an item that has not answered by then is left to a workflow of the item's own; the
# engine takes 30-150 ms for a chunk's legs.
BATCH_LEASH_S = 3.0

# A batch's workflow continues as new past this; a chunk is three events.
BATCH_HISTORY_EVENTS = 2_000

# Items with workflows of their own are looked after so often, at first and at most.
BATCH_LOOKS_AGAIN = (timedelta(seconds=1), timedelta(seconds=60))

# An activity of a batch says that it lives each second; a killed worker's is tried again after
# this. 60 s: the largest transaction has 10 s, and is tried again while it meets others.
BATCH_HEARTBEAT = timedelta(seconds=5)
BATCH_TIMEOUT = timedelta(seconds=60)


def batch_lane(park_after_s: int) -> Lane:
    """How a batch's activity is tried before operators are told."""
    return replace(durable_lane(park_after_s), start_to_close=BATCH_TIMEOUT)


PARKED_BATCH_LANE = replace(PARKED_LANE, start_to_close=BATCH_TIMEOUT)

# An operator waits this long for what a verb led to; then he is told how things stand. As much
# again is left for writing the act down, before and after, until the caller gives up.
VERB_ANSWERS_IN = timedelta(seconds=2.5)

# A worker that dies leaves its workflow task to run out: 10 s is the server's default, and the
# fast lane (3 s) keeps a task alive with heartbeats.
WORKFLOW_TASK_TIMEOUT = timedelta(seconds=5)

# After a worker died its sticky queue is given up after this (10 s by default: 10.3 s to
# recover; 1 s: 0.7 s).
STICKY_TIMEOUT = timedelta(seconds=1)

# The SDK keeps a heartbeat back for 0.8 of its time-out, which leaves the last of 5 s to a busy
# machine: activities that lived were begun again elsewhere. So it sends each of ours.
HEARD_EVERY = timedelta(seconds=1)

# Steps in flight end within 10 s; a worker that is stopped lets them.
GRACEFUL_SHUTDOWN = timedelta(seconds=30)

# An attempt at a subscriber ends within its own time-out (15 s, at most 30 s by setting); the rest
# is for the books.
DELIVERY_ATTEMPT_TIMEOUT = timedelta(seconds=60)

# While it lasts it says each second that its worker lives; a killed worker's is made again after
# this. The killed one's place at the endpoint is free by then.
DELIVERY_HEARTBEAT = timedelta(seconds=10)

# An attempt that failed on our side (MongoDB away) is repeated for so long; then the workflow
# ends as failed and the pick-up starts another when the books are back.
DELIVERY_ALTOGETHER = timedelta(hours=1)
DELIVERY_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=1),
)

# A pass of the proof takes under a second, a full one over 10^7 entries minutes (a question has
# 240 s). A killed worker's is run again after the heartbeat; what overlaps is skipped meanwhile.
PROOF_TIMEOUT = timedelta(minutes=15)
PROOF_ALTOGETHER = timedelta(minutes=30)
PROOF_HEARTBEAT = timedelta(seconds=10)
PROOF_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
)

# What the schedule missed while Temporal was away is one pass, not one for each minute.
PROOF_CATCH_UP = timedelta(seconds=10)

START_RPC_TIMEOUT = timedelta(seconds=2)  # the sweep starts what this could not
VERB_RPC_TIMEOUT = timedelta(seconds=5)  # then: workflow_cannot_run
