"""Every metric PayFlow exposes, in one table: a new one is a row here and a line that moves it.

Labels are bounded: templates, states, currencies (ISO 4217), names in the code. Never an id, an
address or a text that somebody sent. ``payflow_`` metrics are counted by the process that did the
thing (sum over processes); the gauges marked *books* are read from the books, so every process
says the same (take the maximum).
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric behaves; a counter's name ends in ``_total`` when it is read."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric: its name as queries use it, what it means, its labels, its buckets."""

    kind: Kind
    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# A step takes 5-40 ms, a request up to 30 s (`Prefer: wait`), a parked transfer days.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LONG_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0)
_LEGS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 200.0)

BUILD_INFO = Metric(
    Kind.GAUGE, "payflow_build_info", "Always 1; which version runs in which role.",
    ("version", "role"),
)  # fmt: skip

HTTP_REQUESTS = Metric(
    Kind.COUNTER, "payflow_http_requests_total",
    "Requests answered, by route template; status 499 is a client that left before its answer.",
    ("method", "route", "status"),
)  # fmt: skip
HTTP_DURATION = Metric(
    Kind.HISTOGRAM, "payflow_http_request_duration_seconds",
    "From a request's arrival to the end of its answer; `Prefer: wait` waits in it.",
    ("method", "route"), _SECONDS,
)  # fmt: skip
RATE_LIMITED = Metric(
    Kind.COUNTER, "payflow_rate_limited_total",
    "Requests and sign-ins that found a limit used up.", ("limit",),
)  # fmt: skip
OVERLOADED = Metric(
    Kind.COUNTER, "payflow_overloaded_total",
    "Requests refused because the process had enough under way.",
)  # fmt: skip
REQUESTS_BORNE = Metric(
    Kind.GAUGE, "payflow_requests_borne",
    "Requests that may be worked on at once, where overload is looked for.",
)  # fmt: skip

TRANSFERS_ACCEPTED = Metric(
    Kind.COUNTER, "payflow_transfers_accepted_total", "Transfers committed.", ("currency",)
)
TRANSFERS_ENDED = Metric(
    Kind.COUNTER, "payflow_transfers_ended_total", "Transfers that became terminal.",
    ("status", "currency"),
)  # fmt: skip
TRANSFER_FAILURES = Metric(
    Kind.COUNTER, "payflow_transfer_failures_total", "Failed transfers, by failure code.",
    ("code",),
)  # fmt: skip
TRANSFER_DURATION = Metric(
    Kind.HISTOGRAM, "payflow_transfer_duration_seconds", "From accepted to terminal.",
    ("status",), _LONG_SECONDS,
)  # fmt: skip
IN_FLIGHT = Metric(
    Kind.GAUGE, "payflow_transfers_in_flight", "Transfers that are not terminal (books).",
    ("status",),
)  # fmt: skip
PARKED = Metric(
    Kind.GAUGE, "payflow_transfers_parked", "Transfers that wait for an operator (books)."
)
COMPENSATIONS = Metric(
    Kind.COUNTER, "payflow_compensations_total", "Debits given back.", ("currency",)
)

POSTING_LEGS = Metric(
    Kind.HISTOGRAM, "payflow_posting_group_legs", "Legs in one transaction of the engine.",
    buckets=_LEGS,
)  # fmt: skip
POSTING_DURATION = Metric(
    Kind.HISTOGRAM, "payflow_posting_group_duration_seconds",
    "One transaction of the engine, from its first read to its commit.",
    ("outcome",), _SECONDS,
)  # fmt: skip
POSTING_CONFLICTS = Metric(
    Kind.COUNTER, "payflow_posting_conflicts_total",
    "Groups that met another writer and were tried again.",
)  # fmt: skip
LEGS = Metric(
    Kind.COUNTER, "payflow_legs_total", "Legs committed, by what the books answered.",
    ("leg", "outcome"),
)  # fmt: skip

STEP_ATTEMPTS = Metric(
    Kind.COUNTER, "payflow_step_attempts_total", "Attempts at a step that ended.",
    ("step", "lane", "outcome"),
)  # fmt: skip
STEP_RETRIES = Metric(
    Kind.COUNTER, "payflow_step_retries_total", "Attempts that were not the first in their lane.",
    ("step", "lane"),
)  # fmt: skip
STEP_DURATION = Metric(
    Kind.HISTOGRAM, "payflow_step_duration_seconds", "One attempt at a step.",
    ("step", "lane"), _SECONDS,
)  # fmt: skip

WALLET_ACTS = Metric(
    Kind.COUNTER, "payflow_wallet_acts_total", "Wallets opened, frozen, unfrozen, closed.",
    ("act",),
)  # fmt: skip
MOVEMENTS = Metric(
    Kind.COUNTER, "payflow_movements_total", "Deposits and withdrawals committed.",
    ("kind", "currency"),
)  # fmt: skip

RELAY_LEADS = Metric(
    Kind.GAUGE, "payflow_relay_leads", "1 in the process whose relay is the active one."
)
FEED_EVENTS = Metric(Kind.COUNTER, "payflow_feed_events_total", "Events placed in the feed.")
RELAY_LAG = Metric(
    Kind.HISTOGRAM, "payflow_relay_lag_seconds", "From an event's commit to its place in the feed.",
    buckets=_LONG_SECONDS,
)  # fmt: skip
WEBHOOK_ATTEMPTS = Metric(
    Kind.COUNTER, "payflow_webhook_attempts_total", "Requests to subscribers that ended.",
    ("outcome",),
)  # fmt: skip
WEBHOOK_DURATION = Metric(
    Kind.HISTOGRAM, "payflow_webhook_attempt_duration_seconds", "One request to a subscriber.",
    ("outcome",), _SECONDS,
)  # fmt: skip
WEBHOOK_LAG = Metric(
    Kind.HISTOGRAM, "payflow_webhook_delivery_lag_seconds",
    "From an event's commit to its arrival at a subscriber.",
    buckets=_LONG_SECONDS,
)  # fmt: skip

PROOF_STATUS = Metric(
    Kind.GAUGE, "payflow_proof_status",
    "1 for what holds of the last proof, ok, violated or stale, else 0 (books).",
    ("status",),
)  # fmt: skip
PROOF_VIOLATIONS = Metric(
    Kind.GAUGE, "payflow_proof_violations", "Open findings that the last proof names (books)."
)
PROOF_AGE = Metric(
    Kind.GAUGE, "payflow_proof_age_seconds", "How old the last proof of the books is (books)."
)
PROOF_TRANSFERS = Metric(
    Kind.GAUGE, "payflow_proof_transfers_checked", "Transfers the last proof stands for (books)."
)
TRANSIT_OLDEST = Metric(
    Kind.GAUGE, "payflow_transit_oldest_age_seconds",
    "How long money has been in transit at most, by the last proof; 0 when none is (books).",
)  # fmt: skip

DEPENDENCY_UP = Metric(
    Kind.GAUGE, "payflow_dependency_up", "1 when this process got an answer from it.",
    ("dependency",),
)  # fmt: skip
DEPENDENCY_BLOCKED = Metric(
    Kind.GAUGE, "payflow_dependency_blocked",
    "1 when it answers a fresh connection and not this process, which ends within 30 s.",
    ("dependency",),
)  # fmt: skip
DEPENDENCY_LATENCY = Metric(
    Kind.GAUGE, "payflow_dependency_latency_seconds", "How long that answer took.",
    ("dependency",),
)  # fmt: skip

UNREADABLE = Metric(
    Kind.GAUGE, "payflow_unreadable_documents",
    "Documents this process met in the last ten minutes, could not read and passed over.",
    ("collection",),
)  # fmt: skip
TASK_FAILURES = Metric(
    Kind.COUNTER, "payflow_task_failures_total",
    "Failures of what a process does again and again; each is tried again.", ("task",),
)  # fmt: skip

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
