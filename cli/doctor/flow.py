"""What moves as the doctor sees it: relay, webhooks, parked sagas, and the books."""

import asyncio
import time
from collections.abc import Sequence

from cli.doctor.rows import Row, green, lasting, red, yellow
from payflow.proof.books import Proven, prove_books
from payflow.proof.sagas import LiveSagas, prove_sagas
from payflow.proof.sums import Database
from payflow.storage.relay_lease import DEAD_AFTER_S
from payflow.storage.standing import (
    ParkedStanding,
    RelayStanding,
    WebhookStanding,
    parked_standing,
    relay_standing,
    webhook_standing,
)

BEHIND_S = 30.0  # the relay is milliseconds behind, and some seconds when it takes over
OVERDUE_S = 120.0  # the pick-up comes for what is overdue every five seconds
MANY_PENDING = 10_000
SHOWN = 3
_LOOK_EVERY_S = 0.25


async def relay_rows(database: Database) -> Sequence[Row]:
    """Who leads, whether it lives, and how far it is behind."""
    first = now = await relay_standing(database)
    deadline = time.monotonic() + DEAD_AFTER_S
    while now.holder and now.beat == first.beat and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_EVERY_S)
        now = await relay_standing(database)
    return [relay_row(now, beats=now.beat != first.beat)]


def relay_row(standing: RelayStanding, *, beats: bool) -> Row:
    """Whether events get their places."""
    start = "start `payflow relay`, and read its log if it does not stay"
    if standing.holder is None:
        return red("relay", "nobody leads: no event is told, nothing is swept", start)
    if not beats:
        return red("relay", f"{standing.holder} leads and shows no life", start)
    behind = f"{standing.holder} leads, {standing.behind_s:.1f} s behind"
    if standing.behind_s > BEHIND_S:
        return red("relay", behind, "docs/operations.md#relay-behind")
    return green("relay", f"{behind}, at position {standing.position}")


async def webhook_rows(database: Database) -> Sequence[Row]:
    """Whether deliveries are made."""
    return [webhook_row(await webhook_standing(database))]


def webhook_row(standing: WebhookStanding) -> Row:
    """Whether somebody comes for what is due."""
    found = f"{standing.pending} pending"
    if standing.overdue_s > OVERDUE_S:
        late = f"{found}, nobody has come for one in {lasting(standing.overdue_s)}"
        return red("webhooks", late, "start a relay and a worker: they pick up what is due")
    troubled = {
        "failing": standing.failing_endpoints,
        "disabled": standing.disabled_endpoints,
    }
    told = [f"{count} endpoints {how}" for how, count in troubled.items() if count]
    if standing.pending >= MANY_PENDING:
        told.append("the backlog is long")
    if told:
        fix = "docs/operations.md#webhooks-failing"
        return yellow("webhooks", ", ".join([found, *told]), fix)
    return green("webhooks", found)


async def parked_rows(database: Database) -> Sequence[Row]:
    """Whether anybody's money waits for an operator."""
    return [parked_row(await parked_standing(database))]


def parked_row(standing: ParkedStanding) -> Row:
    """How many, the oldest, and the command that repairs it."""
    if standing.since is None:
        return green("parked sagas", "none")
    waited = lasting((standing.now - standing.since).total_seconds())
    oldest = standing.oldest[0]
    found = f"{standing.count}, the oldest for {waited}: {', '.join(standing.oldest)}"
    return red("parked sagas", found, repair_command(oldest))


def repair_command(transfer_id: str) -> str:
    """How an operator has a parked transfer's step tried now."""
    return (
        f'payflow transfers retry {transfer_id} --reason "…", or refund: docs/operations.md#parked'
    )


async def book_rows(database: Database) -> Sequence[Row]:
    """A row for each rule of the books, all asked in one snapshot."""
    return [proven_row(one) for one in await prove_books(database)]


async def saga_rows(database: Database, sagas: LiveSagas) -> Sequence[Row]:
    """Whether every unfinished transfer has its workflow."""
    return [proven_row(await prove_sagas(database, sagas))]


def proven_row(proven: Proven) -> Row:
    """Whether the rule holds, and what breaks it."""
    name = f"books: {proven.invariant.value.replace('_', ' ')}"
    if proven.holds:
        return green(name, proven.invariant.meaning)
    shown = [f"{one.subject_id}: {one.detail}" for one in proven.findings[:SHOWN]]
    more = len(proven.findings) - SHOWN
    told = "; ".join(shown) + (f"; and {more} more" if more > 0 else "")
    return red(name, told, "freeze the wallets concerned: docs/operations.md#books-do-not-balance")
