"""Passes of the proof driven directly over books of their own, and a stranger who verifies."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from payflow.auth.statements import StatementKeys, load_statement_keys
from payflow.domain.proof_ports import FindingClosure, FindingStatus, Verdict
from payflow.domain.wallets import WalletStatus
from payflow.proof.passes import Passes
from payflow.proof.publishing import Publisher
from payflow.proof.sums import Database
from payflow.settings import Settings
from payflow.storage.factory import Storage, open_storage
from tests.contracts.proven import ProvenBooks

Fields = dict[str, Any]


@dataclass(frozen=True)
class Proving:
    """A prover, what it proves, and what it said."""

    database: Database
    storage: Storage
    keys: StatementKeys
    passes: Passes
    interval_s: float

    async def prove(self, *, full: bool = False) -> Fields:
        """One pass, and its statement."""
        verdict: Verdict = await self.passes.prove(full=full)
        kept = await self.database.proofs.find_one({"_id": verdict.number})
        assert kept is not None
        statement: Fields = kept["statement"]
        return statement

    async def close_findings(self) -> int:
        """Close all that are open, as an operator does; how many there were."""
        opened = await self.storage.findings.list(FindingStatus.OPEN, limit=100, after=None)
        for one in opened.items:
            await self.storage.findings.close(FindingClosure(one.id, "usr_OPERATOR", "a test"))
        return len(opened.items)

    async def seal(self) -> None:
        """Give every event its place, as an active relay would."""
        lease = await self.database.relay.find_one({"_id": "lease"})
        epoch = lease["epoch"] if lease else await self.storage.relay.lease().campaign()
        assert epoch
        writer = await self.storage.relay.writer(epoch)
        at = await writer.server_time()
        async for _ in writer.catch_up():
            pass
        await writer.caught_up(at, None)


@asynccontextmanager
async def proving(database: Database, settings: Settings, folder: Path) -> AsyncIterator[Proving]:
    async with open_storage(settings) as storage:
        keys = load_statement_keys(Settings(data_dir=folder))
        interval_s = settings.proof_interval_s
        publisher = Publisher(
            database, keys, storage.wallets, storage.audit, storage.clock, interval_s
        )
        passes = Passes(database, publisher, storage.clock)
        yield Proving(database, storage, keys, passes, interval_s)


def verify(statement: Fields, jwks: list[Fields], previous_hash: str) -> None:
    """Everything a stranger checks, without a line of ours."""
    (key,) = [key for key in jwks if key["kid"] == statement["key_id"]]
    form = rfc8785.dumps({k: v for k, v in statement.items() if k not in ("hash", "signature")})
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))
    public.verify(base64.b64decode(statement["signature"]), form)
    assert statement["hash"] == sha256(form).hexdigest()
    assert statement["previous_hash"] == previous_hash


def both(books: ProvenBooks) -> set[str]:
    return {books.alice, books.bob}


def subjects(statement: Fields) -> set[tuple[str, str]]:
    return {(one["invariant"], one["subject_id"]) for one in statement["violations"]}


async def thaw(proof: Proving, books: ProvenBooks) -> set[str]:
    """Who was frozen, by the system and on record; an operator makes them active again."""
    found = proof.database.wallets.find({"status": "frozen"})
    frozen = {wallet["_id"] async for wallet in found}
    for wallet_id in frozen:
        last = await proof.database.audit.find_one({"subject_id": wallet_id}, sort=[("_id", -1)])
        assert last
        assert (last["actor_id"], last["verb"], last["outcome"]) == ("system", "freeze", "done")
        await proof.storage.wallets.set_status(wallet_id, WalletStatus.ACTIVE)
    return frozen


async def right_again(proof: Proving) -> None:
    """Writing it back is a change like any other; what was found stays open until it is closed."""
    back, checked, after = [await proof.prove() for _ in range(3)]
    assert [one["status"] for one in (back, checked, after)] == ["violated"] * 3
    assert [one["scope"] for one in (checked, after)] == ["full", "incremental"]
    assert subjects(after) >= subjects(back)
    assert await proof.close_findings() == len(after["violations"])
    closed = await proof.prove()
    assert (closed["status"], closed["scope"]) == ("ok", "full")
    assert (await proof.prove())["scope"] == "incremental"
