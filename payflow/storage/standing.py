"""How relay, webhooks, parked transfers and findings stand, read in a few small reads."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from payflow.domain.proof_ports import FindingStatus, RecordedFinding
from payflow.domain.wallets import WalletStatus
from payflow.domain.webhooks import DeliveryStatus, EndpointStatus
from payflow.storage.documents import (
    FeedDocument,
    JournalDocument,
    TransferDocument,
    WalletDocument,
)
from payflow.storage.feed import RELAY
from payflow.storage.findings import to_finding
from payflow.storage.journal_gaps import names_an_event
from payflow.storage.proof_documents import FindingDocument
from payflow.storage.reading import each_readable
from payflow.storage.relay_lease import LEASE
from payflow.storage.transactions import translated
from payflow.storage.webhook_deliveries import WAITED_FOR
from payflow.storage.webhook_documents import WebhookDeliveryDocument, WebhookEndpointDocument

COUNTED_AT_MOST = 10_000  # more is "many": counting on would tell nothing new
LATEST = 200  # events among which the first without a place is looked for
SHOWN = 3

Database = AsyncDatabase[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RelayStanding:
    """Who leads, its beat (rises each second), and since when an event waits for its place."""

    holder: str | None
    epoch: int
    beat: int
    position: int
    waiting_since: datetime | None
    now: datetime

    @property
    def behind_s(self) -> float:
        """How long the oldest event without a place has waited, by the server's clock."""
        if self.waiting_since is None:
            return 0.0
        return max(0.0, (self.now - self.waiting_since).total_seconds())


@dataclass(frozen=True, slots=True)
class WebhookStanding:
    """Deliveries under way, since when the longest is overdue, and endpoints in trouble."""

    pending: int
    overdue_since: datetime | None
    failing_endpoints: int
    disabled_endpoints: int
    now: datetime

    @property
    def overdue_s(self) -> float:
        """For how long nobody has come for the delivery that waits longest."""
        if self.overdue_since is None:
            return 0.0
        return max(0.0, (self.now - self.overdue_since).total_seconds())


@dataclass(frozen=True, slots=True)
class ParkedStanding:
    """Transfers that wait for an operator: how many, the oldest first, and since when."""

    count: int
    oldest: tuple[str, ...]
    since: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class FindingsStanding:
    """Open findings of the proof, the oldest first, and which of their wallets are frozen.

    ``left_frozen`` are wallets that were frozen because of findings that are closed by now.
    """

    count: int
    oldest: tuple[RecordedFinding, ...]
    frozen: frozenset[str]
    left_frozen: tuple[str, ...]


async def relay_standing(database: Database) -> RelayStanding:
    """Read the lease and look for the first event without a place."""
    with translated():
        lease = await database[RELAY].find_one({"_id": LEASE}) or {}
        feed = database[FeedDocument.Settings.name]
        last = await feed.find_one({}, {"event.created_at": 1}, sort=[("_id", DESCENDING)])
        return RelayStanding(
            holder=lease.get("holder"),
            epoch=int(lease.get("epoch", 0)),
            beat=int(lease.get("beat", 0)),
            position=int(last["_id"]) if last else 0,
            waiting_since=await _first_unplaced(database, last),
            now=await _server_time(database),
        )


async def webhook_standing(database: Database) -> WebhookStanding:
    """Read the backlog from the index of what is pending, and count endpoints in trouble."""
    deliveries = database[WebhookDeliveryDocument.Settings.name]
    endpoints = database[WebhookEndpointDocument.Settings.name]
    enabled = {"status": EndpointStatus.ENABLED.value, "failing_since": {"$ne": None}}
    disabled = {"status": EndpointStatus.DISABLED.value}
    pending = {"status": DeliveryStatus.PENDING.value}
    with translated():
        waited_for = await (await deliveries.aggregate(WAITED_FOR)).to_list()
        due = [one["due_at"] for one in waited_for if isinstance(one["due_at"], datetime)]
        return WebhookStanding(
            pending=await deliveries.count_documents(pending, limit=COUNTED_AT_MOST),
            overdue_since=min(due, default=None),
            failing_endpoints=await endpoints.count_documents(enabled),
            disabled_endpoints=await endpoints.count_documents(disabled),
            now=await _server_time(database),
        )


async def parked_standing(database: Database) -> ParkedStanding:
    """Read the index of parked transfers."""
    parked = {"needs_attention": True}
    transfers = database[TransferDocument.Settings.name]
    with translated():
        count = await transfers.count_documents(parked, limit=COUNTED_AT_MOST)
        found = transfers.find(parked, {"updated_at": 1}, sort=[("_id", ASCENDING)], limit=SHOWN)
        oldest = await found.to_list()
        return ParkedStanding(
            count=count,
            oldest=tuple(one["_id"] for one in oldest),
            since=min(
                (at for one in oldest if isinstance(at := one.get("updated_at"), datetime)),
                default=None,
            ),
            now=await _server_time(database),
        )


async def findings_standing(database: Database) -> FindingsStanding:
    """Read the open findings, the last ones that were closed, and their wallets."""
    kept = database[FindingDocument.Settings.name]
    opened = {"status": FindingStatus.OPEN.value}
    closed = {"status": FindingStatus.CLOSED.value}
    with translated():
        count = await kept.count_documents(opened, limit=COUNTED_AT_MOST)
        found = kept.find(opened, sort=[("_id", ASCENDING)], limit=LATEST)
        oldest = [one async for one in each_readable(to_finding, found)]
        last = kept.find(closed, {"wallet_ids": 1}, sort=[("_id", DESCENDING)], limit=LATEST)
        of_closed = {one async for fields in last for one in fields.get("wallet_ids") or ()}
        of_open = {one for finding in oldest for one in finding.wallet_ids}
        wallets = database[WalletDocument.Settings.name].find(
            {"_id": {"$in": sorted(of_open | of_closed)}, "status": WalletStatus.FROZEN.value},
            {"_id": 1},
        )
        frozen = {wallet["_id"] async for wallet in wallets}
    return FindingsStanding(
        count=count,
        oldest=tuple(oldest[:SHOWN]),
        frozen=frozenset(frozen & of_open),
        left_frozen=tuple(sorted(frozen - of_open)),
    )


async def _first_unplaced(database: Database, last: dict[str, Any] | None) -> datetime | None:
    """When the oldest event was journaled that follows the feed's last and has no place."""
    since: dict[str, Any] = {}
    if last is not None and (at := _said_at(last)):
        since = {"created_at": {"$gte": at}}
    found = database[JournalDocument.Settings.name].find(
        since, {"event.id": 1, "created_at": 1}, sort=[("created_at", ASCENDING)], limit=LATEST
    )
    young = [entry for entry in await found.to_list() if names_an_event(entry)]
    ids = [entry["event"]["id"] for entry in young]
    placed = database[FeedDocument.Settings.name].find(
        {"event_id": {"$in": ids}}, {"_id": 0, "event_id": 1}
    )
    has_place = {event["event_id"] async for event in placed}
    waiting = (entry.get("created_at") for entry in young if entry["event"]["id"] not in has_place)
    return next(waiting, None)


def _said_at(last: dict[str, Any]) -> datetime | None:
    """When the event was journaled; None where that cannot be read."""
    try:
        return datetime.fromisoformat(last["event"]["created_at"])
    except (KeyError, TypeError, ValueError):
        return None


async def _server_time(database: Database) -> datetime:
    hello = await database.client.admin.command("hello", codec_options=database.codec_options)
    now: datetime = hello["localTime"]
    return now
