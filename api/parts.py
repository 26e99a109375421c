"""What the calls ask: the ports and services of one process, as the app was given them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.access_watch import AccessWatch
from api.account_limits import AccountLimits
from api.large_bodies import LargeBodies
from api.saga_pressure import SagaPressure
from api.streams import Streams
from payflow.auth.admission import Admission
from payflow.auth.api_keys import KeyRing
from payflow.auth.sessions import Sessions
from payflow.auth.sign_on import SignOn
from payflow.auth.statements import StatementKeys
from payflow.domain.api_keys import ApiKeys
from payflow.domain.batch_ports import Batches
from payflow.domain.event_ports import Feed
from payflow.domain.observing import Observer
from payflow.domain.ports import (
    Accounts,
    Clock,
    Probe,
    Rehearsal,
    Sagas,
    Transfers,
    Wallets,
)
from payflow.domain.proof_ports import Findings, Proofs
from payflow.domain.repair_ports import AuditLog
from payflow.proof.receipts import Receipts
from payflow.webhooks.subscriptions import Subscriptions
from temporal.timelines import Timelines


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a call may ask."""

    access_watch: AccessWatch
    account_limits: AccountLimits
    accounts: Accounts
    admission: Admission
    api_keys: ApiKeys
    audit: AuditLog
    batches: Batches
    clock: Clock
    feed: Feed
    findings: Findings
    key_ring: KeyRing
    large_bodies: LargeBodies
    metrics_token: str
    observer: Observer
    owners_move_money: bool
    probes: Sequence[Probe]
    proofs: Proofs
    receipts: Receipts
    rehearsal: Rehearsal
    saga_pressure: SagaPressure
    sagas: Sagas
    sessions: Sessions
    sign_on: SignOn
    statement_keys: StatementKeys
    streams: Streams
    subscriptions: Subscriptions
    timelines: Timelines
    transfers: Transfers
    wallets: Wallets


def parts_of(request: Request) -> Parts:
    """The parts of the app that serves this request."""
    parts: Parts = request.app.state.parts
    return parts


async def _parts(request: Request) -> Parts:
    return parts_of(request)


Ask = Annotated[Parts, Depends(_parts)]
