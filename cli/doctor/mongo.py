"""MongoDB as the doctor sees it: version, set, transactions, oplog, indexes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReadPreference
from pymongo.errors import OperationFailure

from cli.doctor.rows import Row, green, lasting, red, yellow
from cli.servers import TRANSACTION_LIFETIME_S
from payflow.storage.index_audit import IndexAudit
from payflow.storage.transactions import Client

OLDEST = (6, 0)
# The relay goes on from its token; a place lost is found again by comparing, which takes longer.
OPLOG_AT_LEAST_S = 3_600.0
FULL = 0.9  # an oplog that has never been full says nothing of how long it lasts
_READABLE = {"PRIMARY", "SECONDARY"}


@dataclass(frozen=True, slots=True)
class Oplog:
    """From its oldest to its newest entry, and how much of its room is used."""

    covers_s: float
    used: float


async def server_rows(client: Client) -> Sequence[Row]:
    """Connection, version and set; a set without a primary is a finding, not silence."""
    begun = time.perf_counter()
    preferred = ReadPreference.PRIMARY_PREFERRED
    info = await client.admin.command("buildInfo", read_preference=preferred)
    took_ms = (time.perf_counter() - begun) * 1_000
    try:
        status = await client.admin.command("replSetGetStatus", read_preference=preferred)
    except OperationFailure as error:
        return [version_row(info["version"], took_ms), no_set_row(str(error.details or error))]
    return [version_row(info["version"], took_ms), set_row(status)]


def version_row(version: str, took_ms: float) -> Row:
    """Whether the server is one whose features we count on."""
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return red("mongodb", f"{version} is too old", "upgrade to MongoDB 6.0 or newer")
    return green("mongodb", f"{version}, connected and answered in {took_ms:.0f} ms")


def no_set_row(why: str) -> Row:
    """The server is no replica set."""
    fix = "start mongod with --replSet and initiate the set: transactions need one"
    return red("replica set", f"not a replica set: {why[:100]}", fix)


def set_row(status: Mapping[str, Any]) -> Row:
    """Primary and majority, from ``replSetGetStatus``."""
    members = [(one["name"], one["stateStr"]) for one in status["members"]]
    told = f"{status['set']}: " + ", ".join(f"{name} {state}" for name, state in members)
    away = [name for name, state in members if state not in _READABLE]
    if not any(state == "PRIMARY" for _, state in members):
        fix = "bring members back until a majority is up; money waits meanwhile"
        return red("replica set", f"no primary. {told}", fix)
    if len(members) - len(away) < status["majorityVoteCount"]:
        fix = f"bring back {', '.join(away)}: without a majority no commit is acknowledged"
        return red("replica set", f"no majority. {told}", fix)
    if away:
        return yellow("replica set", told, f"bring back {', '.join(away)}")
    return green("replica set", told)


async def transaction_rows(client: Client) -> Sequence[Row]:
    """How long a dead worker's transaction locks its wallets."""
    parameter = "transactionLifetimeLimitSeconds"
    answer = await client.admin.command({"getParameter": 1, parameter: 1})
    limit_s, wanted_s = int(answer[parameter]), TRANSACTION_LIFETIME_S
    found = f"a transaction lives {limit_s} s at most"
    if limit_s > wanted_s:
        fix = f"mongod --setParameter {parameter}={wanted_s}: a dead worker's locks its wallets"
        return [red("transactions", found, fix)]
    return [green("transactions", found)]


async def oplog_rows(client: Client) -> Sequence[Row]:
    """How far back a change stream can be resumed."""
    oplog = client["local"]["oplog.rs"]
    stats = await client["local"].command("collStats", "oplog.rs")
    ends = [
        await oplog.find_one({}, {"ts": 1}, sort=[("$natural", way)])
        for way in (ASCENDING, DESCENDING)
    ]
    times = [end["ts"].time for end in ends if end]
    covers_s = float(times[1] - times[0]) if len(times) == 2 else 0.0
    return [oplog_row(Oplog(covers_s, stats["size"] / stats["maxSize"]))]


def oplog_row(oplog: Oplog) -> Row:
    """Whether a relay that was away for a while finds its place again."""
    found = f"covers {lasting(oplog.covers_s)}, {oplog.used:.0%} of its room is used"
    if oplog.used >= FULL and oplog.covers_s < OPLOG_AT_LEAST_S:
        fix = "enlarge it: db.adminCommand({replSetResizeOplog: 1, size: <MB>})"
        return red("oplog", found, fix)
    return green("oplog", found)


def index_rows(audit: IndexAudit) -> Sequence[Row]:
    """Whether every index the code counts on is there, as the code defines it."""
    if audit.missing or audit.different:
        wrong = [f"{name} is missing" for name in audit.missing]
        wrong += [f"{name} is another" for name in audit.different]
        fix = "restart an API: it creates what is missing; drop what is another first"
        return [red("indexes", ", ".join(wrong), fix)]
    found = f"all {audit.present} are there"
    if audit.unknown:
        fix = "drop them unless somebody needs them: each slows every write"
        return [yellow("indexes", f"{found}, and unknown: {', '.join(audit.unknown)}", fix)]
    return [green("indexes", found)]
