"""The examination itself: every check at once, each in its own time, none in another's way."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from temporalio.client import Client as TemporalClient

from cli.doctor import flow, mongo, others
from cli.doctor.documents import document_rows
from cli.doctor.processes import process_rows
from cli.doctor.proof import finding_rows, proof_rows
from cli.doctor.proxies import proxy_rows
from cli.doctor.receipts import receipt_rows
from cli.doctor.rows import ANSWERS_IN_S, Check, Row, not_looked_at
from payflow.proof.books import ASKED_WITHIN_S
from payflow.settings import Settings
from payflow.storage.connection import open_client
from payflow.storage.identity import SystemClock
from payflow.storage.index_audit import audit_indexes
from payflow.storage.transactions import Client
from temporal.client import connect
from temporal.live import TemporalLiveSagas

REDIS_ANSWERS_IN_S = 2.0
MONGODB, REDIS, TEMPORAL = "mongodb", "redis", "temporal"

_MONGO = "docs/operations.md#mongodb-without-primary"
_REDIS = "docs/operations.md#redis-away"
_TEMPORAL = "docs/operations.md#temporal-away"


async def examine(
    settings: Settings,
    *,
    books: bool = True,
    only: Collection[str] = (),
    pages: Collection[str] = (),
) -> list[Row]:
    """Look at everything; a server that is away is a red row after seconds, never an error.

    Args:
        settings: where the servers are.
        books: hold the books against their rules as well, which reads all of them.
        only: the names of the checks wanted; all when empty.
        pages: where the metrics of our own processes are read, as far as that is known.
    """
    async with _clients(settings) as (client, redis, temporal):
        checks = _server_checks(settings, client, redis, temporal)
        checks += _flow_checks(settings, client, temporal)
        checks.append(_document_check(settings, client, books=books))
        if books:
            checks += _book_checks(settings, client, temporal)
        checks += [Check("processes", lambda: process_rows(pages), _MONGO)] if pages else []
        wanted = [check for check in checks if not only or check.name in only]
        found = await asyncio.gather(*(check.rows() for check in wanted))
    silent = {row.name for rows in found for row in rows if row.silent}
    return [
        not_looked_at(check) if row.silent and check.needs in silent else row
        for check, rows in zip(wanted, found, strict=True)
        for row in rows
    ]


def is_unreachable(rows: Sequence[Row]) -> bool:
    """Whether none of the three servers answered: no stack is there."""
    return {row.name for row in rows if row.silent} >= {MONGODB, REDIS, TEMPORAL}


@asynccontextmanager
async def _clients(settings: Settings) -> AsyncIterator[tuple[Client, Redis, TemporalClient]]:
    redis = Redis.from_url(
        settings.redis_url,
        socket_timeout=REDIS_ANSWERS_IN_S,
        socket_connect_timeout=REDIS_ANSWERS_IN_S,
    )
    client = open_client(settings, longest_answer_s=ASKED_WITHIN_S)
    async with client, redis:
        yield client, redis, await connect(settings, lazy=True)


def _server_checks(
    settings: Settings, client: Client, redis: Redis, temporal: TemporalClient
) -> list[Check]:
    database, clock = client[settings.mongo_database], SystemClock()

    async def indexes() -> Sequence[Row]:
        return mongo.index_rows(await audit_indexes(database))

    return [
        Check("mongodb", lambda: mongo.server_rows(client), _MONGO),
        Check("transactions", lambda: mongo.transaction_rows(client), _MONGO, needs=MONGODB),
        Check("oplog", lambda: mongo.oplog_rows(client), _MONGO, needs=MONGODB),
        Check("indexes", indexes, _MONGO, needs=MONGODB),
        Check("redis", lambda: others.redis_rows(redis), _REDIS),
        Check("proxies", lambda: proxy_rows(redis, settings, clock), _REDIS),
        Check("clocks", lambda: others.clock_rows(client, redis, clock), "see mongodb and redis"),
        Check("temporal", lambda: others.temporal_rows(temporal), _TEMPORAL),
        Check(
            "search attributes", lambda: others.attribute_rows(temporal), _TEMPORAL, needs=TEMPORAL
        ),
        Check("workers", lambda: others.worker_rows(temporal, clock), _TEMPORAL, needs=TEMPORAL),
    ]


def _flow_checks(settings: Settings, client: Client, temporal: TemporalClient) -> list[Check]:
    database = client[settings.mongo_database]

    async def receipts() -> Sequence[Row]:
        period_s = settings.receipt_period_s
        return await receipt_rows(client, settings.mongo_database, period_s, SystemClock())

    return [
        Check("relay", lambda: flow.relay_rows(database), _MONGO, needs=MONGODB),
        Check("webhooks", lambda: flow.webhook_rows(database), _MONGO, needs=MONGODB),
        Check("parked sagas", lambda: flow.parked_rows(database), _MONGO, needs=MONGODB),
        Check("proof", lambda: proof_rows(database), _MONGO, needs=MONGODB),
        Check("findings", lambda: finding_rows(database), _MONGO, needs=MONGODB),
        Check("receipts", receipts, _MONGO, needs=MONGODB),
        Check("cannot run", lambda: others.stuck_rows(temporal), _TEMPORAL, needs=TEMPORAL),
        Check(
            "not in the ledger", lambda: others.unknown_rows(temporal), _TEMPORAL, needs=TEMPORAL
        ),
    ]


def _document_check(settings: Settings, client: Client, *, books: bool) -> Check:
    database = client[settings.mongo_database]
    return Check(
        "documents",
        lambda: document_rows(database, live_only=not books),
        _MONGO,
        ASKED_WITHIN_S if books else ANSWERS_IN_S,
        needs=MONGODB,
    )


def _book_checks(settings: Settings, client: Client, temporal: TemporalClient) -> list[Check]:
    database, sagas = client[settings.mongo_database], TemporalLiveSagas(temporal)
    return [
        Check(
            "books",
            lambda: flow.book_rows(database),
            "docs/operations.md#books-do-not-balance",
            ASKED_WITHIN_S,
            needs=MONGODB,
        ),
        Check(
            "books: sagas are alive",
            lambda: flow.saga_rows(database, sagas),
            f"{_MONGO}, {_TEMPORAL}",
            60.0,
        ),
    ]
