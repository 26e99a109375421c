"""What follows from a pass: findings on record, wallets frozen, and a proof, signed and chained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from bson.timestamp import Timestamp
from loguru import logger
from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.auth.statements import StatementKeys
from payflow.domain.errors import PayflowError
from payflow.domain.events import EventType
from payflow.domain.identifiers import Prefix
from payflow.domain.invariants import Finding
from payflow.domain.ports import Clock, Wallets
from payflow.domain.proof_ports import RecordedFinding, Verdict
from payflow.domain.repair_ports import AuditLog, OperatorAct
from payflow.domain.representation import rfc3339
from payflow.domain.users import Role
from payflow.domain.wallets import WalletStatus
from payflow.proof.checkpoint import Checkpoint, told
from payflow.proof.memory import Memory
from payflow.proof.questions import JOURNAL, TRANSFERS, WALLETS
from payflow.proof.sums import Database
from payflow.storage.documents import FeedDocument, UserDocument
from payflow.storage.findings import MongoFindings, recorded
from payflow.storage.identity import new_id
from payflow.storage.misfits import like
from payflow.storage.proof_documents import ProofDocument
from payflow.storage.transactions import in_transaction

SYSTEM = "system"  # the actor of acts that nobody asked for
OK, VIOLATED = "ok", "violated"
TOLD_AT_MOST = 100  # violations in one proof, oldest first: about 30 kB; findings are kept in full
OPEN_AT_MOST = 1_000  # findings; whatever is wrong then, more of them would say nothing new
# A proof says nothing of now when three passes in a row are missing. A pass takes seconds itself.
STALE_AFTER = 3  # intervals
SHORTEST_INTERVAL_S = 5.0

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Publisher:
    """Gives proofs; ``wallets`` and ``audit`` are the ways every freeze goes.

    ``interval_s`` is the pause between passes: from it follows when a proof is stale.
    """

    database: Database
    keys: StatementKeys
    wallets: Wallets
    audit: AuditLog
    clock: Clock
    interval_s: float

    @property
    def findings(self) -> MongoFindings:
        """Where findings are on record."""
        return MongoFindings(self.database.client, self.database.name, self.clock)

    async def publish(
        self,
        state: Checkpoint,
        ahead: Checkpoint,
        violations: Sequence[Finding],
        snapshot: Timestamp,
    ) -> Verdict:
        """Freeze first, then put proof, findings, checkpoint and alert on record together.

        Who dies in between freezes once more, which changes nothing. A proof is ``violated`` while
        any finding is open, whatever this pass found.
        """
        kept = await self.findings.open()
        known = {_key(one.finding): one for one in kept}
        unknown = [one for one in violations if _key(one) not in known]
        room = max(0, OPEN_AT_MOST - len(kept))
        new = [await self._new(one, state.proofs + 1) for one in unknown[:room]]
        for one in new:
            for wallet_id in one.wallet_ids:
                await self._freeze(wallet_id, one.finding)
        again = [known[_key(one)].id for one in violations if _key(one) in known]
        full = ahead.generation != state.generation
        told_of = [one.finding for one in (*kept, *new)]
        statement = await self._statement(ahead, told_of[:TOLD_AT_MOST], snapshot, full=full)
        alert = await self._alert(statement) if new else None

        proven = replace(
            ahead,
            found=(),
            standing=tuple(violations),
            cleared_ms=(),
            ended=(),
            proofs=statement["number"],
            last_hash=statement["hash"],
        )

        async def work(session: AsyncClientSession) -> None:
            await state.move(self.database, session, proven)
            proof = {"_id": statement["number"], "statement": statement, "at": self.clock.now()}
            await self.database[ProofDocument.Settings.name].insert_one(proof, session=session)
            await self.findings.write(new, again, statement["number"], session)
            if alert is not None:
                await self.database[JOURNAL].insert_one(alert, session=session)

        await in_transaction(self.database.client, work)
        logger.info("proof {} is {}: {}", statement["number"], statement["status"], told_of)
        return Verdict(statement["number"], statement["status"], len(told_of))

    async def _new(self, finding: Finding, proof: int) -> RecordedFinding:
        return recorded(finding, proof, await self._concerned(finding), self.clock.now())

    async def _statement(
        self,
        state: Checkpoint,
        violations: Sequence[Finding],
        snapshot: Timestamp,
        *,
        full: bool,
    ) -> Fields:
        oldest = await Memory(self.database, state.generation).oldest_in_transit()
        cleared, now = state.cleared_ms, self.clock.now()
        stale_after_s = STALE_AFTER * max(self.interval_s, SHORTEST_INTERVAL_S)
        return self.keys.seal(
            {
                "object": "proof",
                "number": state.proofs + 1,
                "status": VIOLATED if violations else OK,
                "checked_at": rfc3339(now),
                "stale_after": rfc3339(now + timedelta(seconds=stale_after_s)),
                "snapshot_at": rfc3339(datetime.fromtimestamp(snapshot.time, UTC)),
                "scope": "full" if full else "incremental",
                "transfers_checked": state.transfers,
                "feed_position": state.end.position,
                "oldest_in_transit": {"transfer_id": oldest[0], "since": rfc3339(oldest[1])}
                if oldest
                else None,
                "time_to_clear_ms": round(median(cleared)) if cleared else None,
                "violations": told(violations),
                "previous_hash": state.last_hash,
            }
        )

    async def _concerned(self, finding: Finding) -> set[str]:
        """The wallets a finding is about: by itself, its transfer, batch, entry or event."""
        subject = finding.subject_id
        thing, _, leg = subject.partition(":")
        if thing.startswith(f"{Prefix.WALLET}_"):
            return {thing}
        if thing.startswith(f"{Prefix.BATCH}_"):
            items = self.database[TRANSFERS].find({"batch_id": thing}, {"wallet_ids": 1})
            return {one async for item in items for one in item.get("wallet_ids", ())}
        if leg:
            entry = await self.database[JOURNAL].find_one({"_id": subject}) or {}
            return await self._of(entry.get("wallet_id"), thing)
        if thing.startswith(f"{Prefix.TRANSFER}_"):
            return await self._of(None, thing)
        which = {"_id": int(thing)} if thing.isdecimal() else {"event_id": thing}
        event = await self.database[FeedDocument.Settings.name].find_one(which) or {}
        return await self._of(event.get("wallet_id"), event.get("transfer_id"))

    async def _of(self, wallet_id: str | None, transfer_id: str | None) -> set[str]:
        if isinstance(wallet_id, str) and wallet_id:
            return {wallet_id}
        transfer = await self.database[TRANSFERS].find_one({"_id": transfer_id}) or {}
        wallet_ids = transfer.get("wallet_ids")
        named = wallet_ids if isinstance(wallet_ids, list) else []
        return {one for one in named if isinstance(one, str)}

    async def _freeze(self, wallet_id: str, finding: Finding) -> None:
        """As an operator would, in the system's name; one that is not active stays as it is."""
        # from or to a wallet that cannot be read no money moves
        active = {"_id": wallet_id, "status": WalletStatus.ACTIVE.value, **like(WALLETS)}
        if not await self.database[WALLETS].find_one(active):
            return
        why = f"proof violated: {finding.invariant} of {finding.subject_id}"
        act_id = await self.audit.begin(OperatorAct(SYSTEM, "freeze", wallet_id, why))
        try:
            await self.wallets.set_status(wallet_id, WalletStatus.FROZEN)
        except PayflowError as refusal:
            await self.audit.finish(act_id, refusal.code)
        else:
            await self.audit.finish(act_id, "done")

    async def _alert(self, statement: Fields) -> Fields:
        """A mark in the journal whose event every operator sees, by feed, stream and webhook."""
        operators = self.database[UserDocument.Settings.name].find(
            {"role": Role.OPERATOR.value, "active": True}, {"_id": 1}
        )
        now, event_id = self.clock.now(), new_id(Prefix.EVENT)
        return {
            "_id": f"proof:{statement['number']}:violated",
            "leg": "violated",
            "postings": [],
            "entry_id": new_id(Prefix.ENTRY),
            "audience": sorted([user["_id"] async for user in operators]),
            "event": {
                "id": event_id,
                "type": EventType.PROOF_VIOLATED.value,
                "sequence": 1,
                "created_at": rfc3339(now),
                "data": statement,
            },
            "created_at": now,
        }


def _key(finding: Finding) -> tuple[str, str]:
    """A rule and a subject are one finding, however it is worded."""
    return finding.invariant.value, finding.subject_id
