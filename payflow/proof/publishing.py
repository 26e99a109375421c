"""What follows from a pass: wallets frozen, operators told, and a proof, signed and chained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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
from payflow.domain.proof_ports import Verdict
from payflow.domain.repair_ports import AuditLog, OperatorAct
from payflow.domain.representation import rfc3339
from payflow.domain.users import Role
from payflow.domain.wallets import WalletStatus
from payflow.proof.checkpoint import Checkpoint, told
from payflow.proof.memory import Memory
from payflow.proof.questions import JOURNAL, TRANSFERS, WALLETS
from payflow.proof.sums import Database
from payflow.storage.documents import FeedDocument, UserDocument
from payflow.storage.identity import new_id
from payflow.storage.proof_documents import ProofDocument
from payflow.storage.transactions import in_transaction

SYSTEM = "system"  # the actor of acts that nobody asked for
OK, VIOLATED = "ok", "violated"

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Publisher:
    """Gives proofs; ``wallets`` and ``audit`` are the ways every freeze goes."""

    database: Database
    keys: StatementKeys
    wallets: Wallets
    audit: AuditLog
    clock: Clock

    async def publish(
        self,
        state: Checkpoint,
        ahead: Checkpoint,
        violations: Sequence[Finding],
        snapshot: Timestamp,
    ) -> Verdict:
        """Freeze first, then put the proof on record together with the checkpoint and the alert.

        Who dies in between freezes once more, which changes nothing.
        """
        known = {(one.invariant, one.subject_id) for one in state.standing}
        new = [one for one in violations if (one.invariant, one.subject_id) not in known]
        for wallet_id in sorted(await self._concerned(new)):
            await self._freeze(wallet_id, new)
        full = ahead.generation != state.generation
        statement = await self._statement(ahead, violations, snapshot, full=full)
        alert = await self._alert(statement) if new else None

        proven = replace(
            ahead,
            found=(),
            standing=tuple(violations),
            cleared_ms=(),
            proofs=statement["number"],
            last_hash=statement["hash"],
        )

        async def work(session: AsyncClientSession) -> None:
            await state.move(self.database, session, proven)
            proof = {"_id": statement["number"], "statement": statement, "at": self.clock.now()}
            await self.database[ProofDocument.Settings.name].insert_one(proof, session=session)
            if alert is not None:
                await self.database[JOURNAL].insert_one(alert, session=session)

        await in_transaction(self.database.client, work)
        logger.info("proof {} is {}: {}", statement["number"], statement["status"], violations)
        return Verdict(statement["number"], statement["status"], len(violations))

    async def _statement(
        self,
        state: Checkpoint,
        violations: Sequence[Finding],
        snapshot: Timestamp,
        *,
        full: bool,
    ) -> Fields:
        oldest = await Memory(self.database, state.generation).oldest_in_transit()
        cleared = state.cleared_ms
        return self.keys.seal(
            {
                "object": "proof",
                "number": state.proofs + 1,
                "status": VIOLATED if violations else OK,
                "checked_at": rfc3339(self.clock.now()),
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

    async def _concerned(self, findings: Sequence[Finding]) -> set[str]:
        """The wallets that findings are about: by themselves, their transfer, entry or event."""
        wallets: set[str] = set()
        for one in findings:
            subject = one.subject_id
            thing, _, leg = subject.partition(":")
            if thing.startswith(f"{Prefix.WALLET}_"):
                wallets.add(thing)
            elif leg:
                entry = await self.database[JOURNAL].find_one({"_id": subject}) or {}
                wallets |= await self._of(entry.get("wallet_id"), thing)
            elif thing.startswith(f"{Prefix.TRANSFER}_"):
                wallets |= await self._of(None, thing)
            else:
                which = {"_id": int(thing)} if thing.isdecimal() else {"event_id": thing}
                event = await self.database[FeedDocument.Settings.name].find_one(which) or {}
                wallets |= await self._of(event.get("wallet_id"), event.get("transfer_id"))
        return wallets

    async def _of(self, wallet_id: str | None, transfer_id: str | None) -> set[str]:
        if wallet_id:
            return {wallet_id}
        transfer = await self.database[TRANSFERS].find_one({"_id": transfer_id}) or {}
        return set(transfer.get("wallet_ids", ()))

    async def _freeze(self, wallet_id: str, findings: Sequence[Finding]) -> None:
        """As an operator would, in the system's name; one that is not active stays as it is."""
        active = {"_id": wallet_id, "status": WalletStatus.ACTIVE.value}
        if not await self.database[WALLETS].find_one(active):
            return
        why = f"proof violated: {findings[0].invariant} of {findings[0].subject_id}"
        act_id = await self.audit.begin(OperatorAct(SYSTEM, "freeze", wallet_id, why))
        try:
            await self.wallets.set_status(wallet_id, WalletStatus.FROZEN)
        except PayflowError as refusal:
            await self.audit.finish(act_id, refusal.code)
        except (KeyError, TypeError, ValueError) as error:  # spoilt so that it is no wallet
            logger.error("{} cannot be frozen: {!r}", wallet_id, error)
            await self.audit.finish(act_id, "unreadable")
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
