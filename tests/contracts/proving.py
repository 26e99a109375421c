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
from payflow.domain.proof_ports import Verdict
from payflow.proof.passes import Passes
from payflow.proof.publishing import Publisher
from payflow.proof.sums import Database
from payflow.settings import Settings
from payflow.storage.factory import Storage, open_storage

Fields = dict[str, Any]


@dataclass(frozen=True)
class Proving:
    """A prover, what it proves, and what it said."""

    database: Database
    storage: Storage
    keys: StatementKeys
    passes: Passes

    async def prove(self, *, full: bool = False) -> Fields:
        """One pass, and its statement."""
        verdict: Verdict = await self.passes.prove(full=full)
        kept = await self.database.proofs.find_one({"_id": verdict.number})
        assert kept is not None
        statement: Fields = kept["statement"]
        return statement

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
        publisher = Publisher(database, keys, storage.wallets, storage.audit, storage.clock)
        passes = Passes(database, publisher, storage.clock)
        yield Proving(database, storage, keys, passes)


def verify(statement: Fields, jwks: list[Fields], previous_hash: str) -> None:
    """Everything a stranger checks, without a line of ours."""
    (key,) = [key for key in jwks if key["kid"] == statement["key_id"]]
    form = rfc8785.dumps({k: v for k, v in statement.items() if k not in ("hash", "signature")})
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))
    public.verify(base64.b64decode(statement["signature"]), form)
    assert statement["hash"] == sha256(form).hexdigest()
    assert statement["previous_hash"] == previous_hash
