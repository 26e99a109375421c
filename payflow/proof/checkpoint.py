"""How far the proof has come: one document, moved together with all that depends on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.conservation import FeedEnd
from payflow.domain.events import GENESIS
from payflow.domain.invariants import Finding, Invariant
from payflow.domain.proof_ports import ProofOvertaken
from payflow.proof.changes import CHECKPOINT, STATE
from payflow.proof.sums import Database

CLEARED_AT_MOST = 1_000  # times that a pass remembers, for their median

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The checkpoint as it was read or is to be written.

    ``found`` was found since the last proof; ``standing`` is what the last pass found wrong.
    ``ended`` are some of the transfers that have ended since. ``compared_to`` is the last transfer
    whose history was compared, while a full pass's comparison of all is under way.
    """

    number: int = 0
    generation: str = ""
    token: Fields | None = None
    end: FeedEnd = field(default_factory=FeedEnd)
    transfers: int = 0
    found: tuple[Finding, ...] = ()
    standing: tuple[Finding, ...] = ()
    cleared_ms: tuple[int, ...] = ()
    ended: tuple[str, ...] = ()
    compared_to: str | None = None
    proofs: int = 0
    last_hash: str = GENESIS
    full_at: datetime | None = None

    async def move(
        self, database: Database, session: AsyncClientSession, ahead: "Checkpoint"
    ) -> "Checkpoint":
        """Write the checkpoint ``ahead`` in the place of this one.

        Raises:
            ProofOvertaken: somebody else moved it since this one was read.
        """
        after = replace(ahead, number=self.number + 1)
        moved = await database[STATE].update_one(
            {"_id": CHECKPOINT, "number": self.number}, {"$set": _fields(after)}, session=session
        )
        if moved.matched_count != 1:
            raise ProofOvertaken
        return after


async def read_checkpoint(database: Database) -> Checkpoint:
    """The checkpoint; founded when there is none."""
    kept = await database[STATE].find_one({"_id": CHECKPOINT})
    if kept is None:
        blank = {"_id": CHECKPOINT, **_fields(Checkpoint())}
        await database[STATE].update_one({"_id": CHECKPOINT}, {"$setOnInsert": blank}, upsert=True)
        return Checkpoint()
    return Checkpoint(
        number=int(kept["number"]),
        generation=kept["generation"],
        token=kept["token"],
        end=FeedEnd(int(kept["feed"]["position"]), kept["feed"]["hash"]),
        transfers=int(kept["transfers"]),
        found=tuple(_finding(one) for one in kept["found"]),
        standing=tuple(_finding(one) for one in kept["standing"]),
        cleared_ms=tuple(kept["cleared_ms"]),
        ended=tuple(kept["ended"]),
        compared_to=kept["compared_to"],
        proofs=int(kept["proofs"]),
        last_hash=kept["last_hash"],
        full_at=kept["full_at"],
    )


async def leave_mark(database: Database, mark: str) -> None:
    """Write the mark that ends a pass's reading."""
    await database[STATE].update_one({"_id": CHECKPOINT}, {"$set": {"mark": mark}})


def told(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Findings as the proof words them."""
    return [
        {"invariant": one.invariant.value, "subject_id": one.subject_id, "detail": one.detail}
        for one in findings
    ]


def _finding(kept: Mapping[str, str]) -> Finding:
    return Finding(Invariant(kept["invariant"]), kept["subject_id"], kept["detail"])


def _fields(one: Checkpoint) -> Fields:
    return {
        "number": one.number,
        "generation": one.generation,
        "token": one.token,
        "feed": {"position": one.end.position, "hash": one.end.hash},
        "transfers": one.transfers,
        "found": told(one.found),
        "standing": told(one.standing),
        "cleared_ms": list(one.cleared_ms),
        "ended": list(one.ended),
        "compared_to": one.compared_to,
        "proofs": one.proofs,
        "last_hash": one.last_hash,
        "full_at": one.full_at,
    }
