"""Clients of the bank: they pay, deposit, withdraw, freeze and look, and write down what came."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from tests.bank.history import History, Kind, Operation, Outcome
from tests.e2e.auditing import Database
from tests.e2e.bank import Bank, Json, Person

Found = Mapping[str, Any]
IN_TRANSIT = ["debited", "refunding"]
MIX = {Kind.TRANSFER: 5, Kind.DEPOSIT: 1, Kind.WITHDRAWAL: 1, Kind.READ: 6}
REFUSALS = ("insufficient_funds", "wallet_frozen")


class NoAnswer(Exception):
    """It may have happened: nobody said."""


@dataclass
class Town:
    """Everybody of one run, and the history they write together.

    What each client asks is drawn from the seed and its own name alone, so that a run can be
    repeated as far as clients go; who meets whom is the machine's affair. What has no answer after
    ``patience_s`` is left open.
    """

    bank: Bank
    database: Database
    operator: Person
    people: Sequence[Person]
    history: History
    operations: int
    patience_s: float
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_busy(self) -> bool:
        """Whether there is more to ask."""
        return len(self.history.operations) < self.operations or not self.over.is_set()

    def rng(self, client: str) -> random.Random:
        """What this client draws from."""
        return random.Random(f"{self.history.seed}/{client}")

    async def record(
        self, client: str, kind: Kind, asked: Found, asking: Callable[[], Awaitable[Found]]
    ) -> None:
        """Ask, and write down when, what and what came of it."""
        one = Operation(client, kind, time.monotonic(), asked)
        self.history.operations.append(one)
        try:
            one.found = await asking()
        except (NoAnswer, TimeoutError, httpx.HTTPError, PyMongoError):
            return  # info: it stays open
        finally:
            one.ended = time.monotonic()
        one.outcome = Outcome.OK

    async def client(self, name: str) -> None:
        """Ask one thing after the other until the run is over."""
        rng, number = self.rng(name), 0
        while self.is_busy:
            number += 1
            kind = rng.choices(list(MIX), list(MIX.values()))[0]
            source, destination = rng.sample(self.people, 2)
            amount = rng.randint(1, 400)
            key = f"bank-{source.wallet_id}-{name}-{number}"
            asked: dict[str, Any] = {"wallet": source.wallet_id, "amount": amount}
            asking = partial(self._move, kind, source, amount, key)
            if kind is Kind.TRANSFER:
                ends = {"source": source.wallet_id, "destination": destination.wallet_id}
                asked = {**ends, "amount": amount}
                asking = partial(self._pay, source, destination, amount, key)
            elif kind is Kind.READ:
                asked = {"wallet": source.wallet_id}
                asking = partial(self._look, source)
            await self.record(name, kind, asked, asking)

    async def regulator(self, name: str) -> None:
        """Freeze a wallet for a moment, then another; the last one is thawed."""
        rng = self.rng(name)
        while self.is_busy:
            wallet = rng.choice(self.people).wallet_id
            for kind, pause_s in ((Kind.FREEZE, (0.02, 0.2)), (Kind.UNFREEZE, (0.1, 1.0))):
                asking = partial(self._set, kind.value, wallet)
                await self.record(name, kind, {"wallet": wallet}, asking)
                await asyncio.sleep(rng.uniform(*pause_s))

    async def auditor(self, name: str) -> None:
        """Read all wallets in one snapshot after the other."""
        rng = self.rng(name)
        while self.is_busy:
            await self.record(name, Kind.SNAPSHOT, {}, self._snapshot)
            await asyncio.sleep(rng.uniform(0.02, 0.1))

    async def _pay(self, source: Person, destination: Person, amount: int, key: str) -> Found:
        sent = await self.bank.send(source, destination, amount, key=key, wait_s=5)
        if sent["status"] not in ("completed", "failed"):
            sent = await self.bank.ended(source, sent["id"], within_s=self.patience_s)
        failure: Json = sent["failure"] or {}
        return {"id": sent["id"], "code": failure.get("code")}

    async def _look(self, who: Person) -> Found:
        answer = await self.bank.ask("GET", f"/v1/wallets/{who.wallet_id}", who)
        if answer.status_code != 200:
            raise NoAnswer
        seen = answer.json()
        return {"balance": seen["balance"], "frozen": seen["status"] == "frozen"}

    async def _move(self, kind: Kind, who: Person, amount: int, key: str) -> Found:
        path = f"/v1/wallets/{who.wallet_id}/{kind.value}s"
        body = {"amount": amount, "currency": "USD"}
        answer = await self.bank.insist("POST", path, who, body=body, key=key)
        said: Json = answer.json()
        if answer.status_code == 201:
            return {"balance_after": said["balance_after"]}
        assert said["code"] in REFUSALS, said
        return {"code": said["code"]}

    async def _set(self, verb: str, wallet: str) -> Found:
        """Ask until it is done: twice frozen is frozen."""
        async with asyncio.timeout(self.patience_s):
            while True:
                try:
                    path = f"/v1/wallets/{wallet}/{verb}"
                    answer = await self.bank.ask("POST", path, self.operator)
                except httpx.HTTPError:
                    answer = None
                if answer is not None and answer.status_code < 500:
                    assert answer.status_code == 200, answer.text
                    return {}
                await asyncio.sleep(0.1)

    async def _snapshot(self) -> Found:
        """All wallets, what is on its way between them, and what came from the world."""
        ids = [person.wallet_id for person in self.people]
        database, client = self.database, self.database.client
        assert isinstance(client, AsyncMongoClient)
        async with client.start_session(snapshot=True) as session:
            wallets = await database.wallets.find(
                {"_id": {"$in": ids}}, {"balance": 1, "status": 1}, session=session
            ).to_list()
            wanted = {"source_wallet_id": {"$in": ids}, "status": {"$in": IN_TRANSIT}}
            moving = await database.transfers.find(wanted, {"amount": 1}, session=session).to_list()
            crossed = {"wallet_id": {"$in": ids}, "leg": {"$in": ["deposit", "withdrawal"]}}
            world = await database.journal.find(crossed, {"postings": 1}, session=session).to_list()
        return {
            "balances": {one["_id"]: one["balance"] for one in wallets},
            "frozen": [one["_id"] for one in wallets if one["status"] == "frozen"],
            "in_transit": sum(one["amount"] for one in moving),
            "from_world": sum(
                side["amount"]
                for one in world
                for side in one["postings"]
                if side["account"] in ids
            ),
        }
