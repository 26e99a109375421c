"""Batches as a client sends them: one POST, then a look four times a second until it has ended."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from time import monotonic
from typing import Any

import httpx

from benchmarks.errors import BenchFailed
from benchmarks.ground import Ground
from benchmarks.town import Purse, Resident, Town

LOOK_EVERY_S = 0.25  # each look counts the items while they run: it is not free
ACCEPTED_WITHIN_S = 60.0
ENDED_WITHIN_S = 300.0
AMOUNTS = 97  # different ones, so that a lost item and a doubled one do not make up for each other
TOO_MUCH = 10**12  # minor units, a thousand times what a wallet of the town holds


@dataclass(frozen=True, slots=True)
class Payment:
    """One item."""

    source_id: str
    destination_id: str
    amount_minor: int

    @property
    def body(self) -> dict[str, Any]:
        """As the API reads it."""
        return {
            "source_wallet_id": self.source_id,
            "destination_wallet_id": self.destination_id,
            "amount": self.amount_minor,
            "currency": "USD",
        }


@dataclass(frozen=True, slots=True)
class Request:
    """A batch of one resident, ready to be sent."""

    owner: Resident
    mode: str
    payments: Sequence[Payment]

    @property
    def body(self) -> bytes:
        """The whole of it as JSON."""
        items = [payment.body for payment in self.payments]
        return json.dumps({"mode": self.mode, "transfers": items}).encode()


@dataclass(frozen=True, slots=True)
class Carried:
    """A batch that has ended: how, and how long after its POST was sent."""

    batch_id: str
    status: str
    counts: Mapping[str, int]
    seconds: float

    @property
    def answered(self) -> int:
        """How many items it had."""
        return self.counts["total"]

    @property
    def per_second(self) -> float:
        """Items a second."""
        return self.answered / self.seconds


def payments(town: Town, size: int) -> Sequence[Payment]:
    """The first resident's wallets pay everybody's in turn, different amounts."""
    own = [purse for purse in town.purses if purse.owner is town.residents[0]]
    return [
        Payment(source.wallet_id, destination.wallet_id, 1 + number % AMOUNTS)
        for number, (source, destination) in enumerate(islice(_pairs(own, town.purses), size))
    ]


def _pairs(own: Sequence[Purse], everybody: Sequence[Purse]) -> Iterator[tuple[Purse, Purse]]:
    """Everybody is paid in turn, in each lap by somebody else, nobody by himself."""
    for lap in count():
        for at, destination in enumerate(everybody):
            source = own[(at + lap) % len(own)]
            if source is not destination:
                yield source, destination


def with_one_impossible(good: Sequence[Payment]) -> Sequence[Payment]:
    """The same, but the last pays more than its wallet holds."""
    last = good[-1]
    return [*good[:-1], Payment(last.source_id, last.destination_id, TOO_MUCH)]


def net_minor(items: Sequence[Payment]) -> dict[str, int]:
    """By how much each wallet changes when every item is carried out once."""
    net: Counter[str] = Counter()
    for item in items:
        net[item.source_id] -= item.amount_minor
        net[item.destination_id] += item.amount_minor
    return dict(net)


async def carried_out(ground: Ground, request: Request) -> Carried:
    """Send the batch and wait for its end, as its owner sees it.

    Raises:
        BenchFailed: it was not accepted, or did not end in time.
    """
    body = request.body  # made before the clock runs
    async with _door(ground, request.owner) as client:
        begun = monotonic()
        try:
            batch_id = await accepted(client, body)
            answer = await ended(client, batch_id, begun + ENDED_WITHIN_S)
        except httpx.HTTPError as error:
            raise BenchFailed(f"a batch was not carried out: {error!r}") from error
        return Carried(batch_id, answer["status"], answer["counts"], monotonic() - begun)


async def accepted(client: httpx.AsyncClient, body: bytes) -> str:
    """The id of the batch that this body became."""
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": f"batch-{secrets.token_hex(8)}",
    }
    answer = await client.post("/batches", content=body, headers=headers)
    if answer.status_code != httpx.codes.ACCEPTED:
        raise BenchFailed(f"a batch was not accepted: {answer.status_code} {answer.text[:300]}")
    return str(answer.json()["id"])


async def ended(client: httpx.AsyncClient, batch_id: str, until: float) -> dict[str, Any]:
    """The batch as it is read once it is under way no more."""
    while monotonic() < until:
        answer = await client.get(f"/batches/{batch_id}")
        found: dict[str, Any] = answer.raise_for_status().json()
        if found["status"] != "processing":
            return found
        await asyncio.sleep(LOOK_EVERY_S)
    raise BenchFailed(f"a batch had not ended in time: {found['counts']}")


def _door(ground: Ground, owner: Resident) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{ground.stack.addresses.api_url}/v1",
        headers={"Authorization": f"Bearer {owner.token}"},
        timeout=ACCEPTED_WITHIN_S,
        trust_env=False,
    )
