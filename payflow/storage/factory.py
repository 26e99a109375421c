"""The one place that knows the books are in MongoDB and the bell in Redis."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from functools import partial

from redis.asyncio import BlockingConnectionPool, Redis

from payflow.domain.access import AccessRecords
from payflow.domain.api_keys import ApiKeys
from payflow.domain.batch_ports import Batches, BatchWork
from payflow.domain.crash_points import CrashPoints
from payflow.domain.event_ports import Feed, News
from payflow.domain.limits import Quotas
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.domain.ports import (
    Accounts,
    Books,
    Clock,
    Probe,
    RefreshTokens,
    Rehearsal,
    Transfers,
    Wallets,
)
from payflow.domain.proof_ports import Findings, Proofs
from payflow.domain.receipt_ports import ReceiptStore
from payflow.domain.repair_ports import AuditLog, Repairs
from payflow.domain.sign_on import SignOns
from payflow.domain.timeline_ports import TimelineStore
from payflow.domain.webhook_ports import DeliveryRecords, Endpoints
from payflow.settings import Settings
from payflow.storage.access_records import MongoAccessRecords
from payflow.storage.accounts import MongoAccounts
from payflow.storage.api_keys import MongoApiKeys
from payflow.storage.attempt_log import AttemptLog
from payflow.storage.audit import MongoAuditLog
from payflow.storage.batch_work import MongoBatchWork
from payflow.storage.batches import MAX_IN_PROGRESS, MongoBatches
from payflow.storage.bell import TerminalBell
from payflow.storage.blocked_reads import BlockedReads
from payflow.storage.books_collections import BooksCollections
from payflow.storage.census import MongoCensus
from payflow.storage.connection import bind_documents, open_client
from payflow.storage.counted_quotas import CountedQuotas
from payflow.storage.crash_points import (
    HoldingBatches,
    HoldingBooks,
    HoldingTransfers,
    clock_of,
    points_of,
)
from payflow.storage.door import Door
from payflow.storage.event_bus import EventBus
from payflow.storage.feed import FeedCollections, MongoFeed
from payflow.storage.findings import MongoFindings
from payflow.storage.identity import SystemClock
from payflow.storage.memory import Memory
from payflow.storage.noting import NotingBooks
from payflow.storage.posting import PostingEngine
from payflow.storage.probes import MongoProbe, RedisProbe
from payflow.storage.proof_documents import ProofDocument
from payflow.storage.proofs import MongoProofs
from payflow.storage.quotas import open_quotas
from payflow.storage.receipts import MongoReceipts
from payflow.storage.refresh_tokens import MongoRefreshTokens
from payflow.storage.rehearsal import MongoRehearsal
from payflow.storage.rehearsing import RehearsingBooks
from payflow.storage.relay_storage import RelayStorage
from payflow.storage.repairs import MongoRepairs
from payflow.storage.sign_ons import MongoSignOns
from payflow.storage.timeline_documents import TimelineDocument
from payflow.storage.timelines import MongoTimelines
from payflow.storage.transactions import Client
from payflow.storage.transfers import MongoTransfers
from payflow.storage.uncancelled import Calls
from payflow.storage.untrusted_proxies import UntrustedProxies
from payflow.storage.wallets import MAX_WALLETS, MongoWallets
from payflow.storage.webhook_deliveries import MongoDeliveries
from payflow.storage.webhook_endpoints import MongoEndpoints
from payflow.storage.webhook_turns import Turns

REDIS_ANSWERS_IN_S = 0.5  # Redis is a convenience: without it nobody waits longer than this
REDIS_POOL = 50
# No store of MongoDB; of the books each layer that is one is behind `Calls` by itself.
NOT_WRAPPED = frozenset(
    {"books", "clock", "news", "observer", "probes", "quotas", "reads", "untrusted_proxies"}
)


@dataclass(frozen=True, slots=True)
class Storage:
    """Every port of the books, ready to use."""

    access: AccessRecords
    accounts: Accounts
    api_keys: ApiKeys
    audit: AuditLog
    batch_work: BatchWork
    batches: Batches
    books: Books
    clock: Clock
    feed: Feed
    news: News
    delivery_records: DeliveryRecords
    endpoints: Endpoints
    findings: Findings
    observer: Observer
    probes: tuple[Probe, ...]
    proofs: Proofs
    quotas: Quotas
    reads: BlockedReads
    receipts: ReceiptStore
    refresh_tokens: RefreshTokens
    rehearsal: Rehearsal
    relay: RelayStorage
    repairs: Repairs
    sign_ons: SignOns
    timelines: TimelineStore
    transfers: Transfers
    untrusted_proxies: UntrustedProxies
    wallets: Wallets


@asynccontextmanager
async def open_storage(
    settings: Settings, observer: Observer = UNOBSERVED
) -> AsyncIterator[Storage]:
    """Connect, create and check the indexes, start the engine; drain and close on leaving.

    Raises:
        BooksUnavailable: MongoDB does not answer. IndexesDiffer: another program's indexes.
    """
    clock, points = clock_of(settings, SystemClock()), points_of(settings)
    async with (
        open_client(settings) as client,
        Calls() as calls,
        _redis(settings) as redis,
        TerminalBell(redis) as bell,
        open_quotas(settings) as quotas,
    ):
        await bind_documents(client, settings)
        collections = BooksCollections.of(client, settings.mongo_database)
        feed_kept = FeedCollections.of(client, settings.mongo_database)
        bus = EventBus(redis, settings.mongo_database, settings.event_bus_length)
        audit = MongoAuditLog(client, settings.mongo_database, clock)
        rehearsal = calls.wrap(MongoRehearsal(audit))
        memory = Memory.of(collections)
        reads = BlockedReads(client, lambda: open_client(settings))
        probes: tuple[Probe, ...] = (calls.wrap(MongoProbe(client, reads)), RedisProbe(redis))
        proofs = client[settings.mongo_database][ProofDocument.Settings.name]
        observer.look_at(calls.wrap(MongoCensus(collections.transfers, proofs)), probes)
        timelines = client[settings.mongo_database][TimelineDocument.Settings.name]
        door = Door(collections.transfers, settings.max_unfinished)
        engine = PostingEngine(collections, clock, bell, memory, observer)
        engine.points = points
        async with AttemptLog(timelines, calls) as attempt_log, engine:
            rehearsed = rehearsal if settings.rehearsal_allowed else None
            books = NotingBooks(_books(calls.wrap(engine), points, rehearsed), attempt_log, clock)
            storage = Storage(
                access=MongoAccessRecords(),
                accounts=MongoAccounts(client, clock, audit, observer),
                api_keys=MongoApiKeys(client, audit),
                audit=audit,
                batch_work=MongoBatchWork(collections),
                batches=_batches(points, settings)(collections, clock, books, door, observer),
                books=books,
                clock=clock,
                feed=MongoFeed(feed_kept.feed),
                news=bus,
                delivery_records=_delivery_records(client, clock, settings),
                endpoints=MongoEndpoints(collections, settings.mongo_database, clock),
                findings=MongoFindings(client, settings.mongo_database, clock),
                observer=observer,
                probes=probes,
                proofs=MongoProofs(proofs, clock),
                quotas=CountedQuotas(quotas, observer),
                reads=reads,
                receipts=MongoReceipts(client, settings.mongo_database),
                refresh_tokens=MongoRefreshTokens(client),
                rehearsal=rehearsal,
                relay=RelayStorage(feed_kept, bus, calls),
                repairs=MongoRepairs(collections, clock),
                sign_ons=MongoSignOns(client, settings.mongo_database),
                timelines=MongoTimelines(client, settings.mongo_database, clock),
                transfers=_transfers(points)(collections, clock, bell, door, memory, observer),
                untrusted_proxies=UntrustedProxies(redis, settings.mongo_database),
                wallets=_wallets(settings)(collections, clock, memory, audit, observer),
            )
            yield _uncancelled(storage, calls)


def _uncancelled(storage: Storage, calls: Calls) -> Storage:
    """Every store behind ``Calls``, those as well that are still to come."""
    names = {field.name for field in fields(Storage)} - NOT_WRAPPED
    return replace(storage, **{name: calls.wrap(getattr(storage, name)) for name in names})


def _redis(settings: Settings) -> Redis:
    return Redis.from_pool(
        BlockingConnectionPool.from_url(
            settings.redis_url,
            max_connections=REDIS_POOL,
            timeout=REDIS_ANSWERS_IN_S,
            socket_connect_timeout=REDIS_ANSWERS_IN_S,
        )
    )


def _books(engine: Books, points: CrashPoints | None, rehearsal: Rehearsal | None) -> Books:
    books = engine if points is None else HoldingBooks(engine, points)
    return books if rehearsal is None else RehearsingBooks(books, rehearsal, random.random)


def _batches(points: CrashPoints | None, settings: Settings) -> Callable[..., Batches]:
    most = settings.most(MAX_IN_PROGRESS)
    if points is None:
        return partial(MongoBatches, most=most)
    return partial(HoldingBatches, points, most=most)


def _wallets(settings: Settings) -> Callable[..., Wallets]:
    return partial(MongoWallets, most=settings.most(MAX_WALLETS))


def _transfers(points: CrashPoints | None) -> Callable[..., Transfers]:
    return MongoTransfers if points is None else partial(HoldingTransfers, points)


def _delivery_records(client: Client, clock: Clock, settings: Settings) -> DeliveryRecords:
    turns = Turns(
        client,
        settings.mongo_database,
        places=settings.webhook_endpoint_concurrency,
    )
    keep_for = timedelta(seconds=settings.webhook_keep_s)
    return MongoDeliveries(client, settings.mongo_database, clock, turns, keep_for=keep_for)
