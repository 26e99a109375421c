"""The always-on proof as the doctor sees it: what it said last, whether it runs, what is open."""

from collections.abc import Sequence

from cli.doctor.rows import Row, green, lasting, red, yellow
from payflow.domain.observing import Proven
from payflow.domain.proof_ports import RecordedFinding
from payflow.proof.sums import Database
from payflow.storage.census import last_proof
from payflow.storage.proof_documents import ProofDocument
from payflow.storage.standing import FindingsStanding, findings_standing

_FIX = "docs/operations.md#proof-violated"


async def proof_rows(database: Database) -> Sequence[Row]:
    """Whether the books are proved, and right."""
    return [proof_row(await last_proof(database[ProofDocument.Settings.name]))]


def proof_row(proof: Proven | None) -> Row:
    """What the last proof says, unless it is too old to say anything."""
    if proof is None:
        return yellow("proof", "the first pass has not ended", _FIX)
    said = f"{proof.status}, {lasting(proof.age_s)} ago, of {proof.transfers} transfers"
    if proof.is_stale:
        late = f"stale: no pass has ended since; it was {said}"
        fix = "start a worker, and resume the Schedule payflow-proof: docs/operations.md#proofstale"
        return red("proof", late, fix)
    if proof.violations:
        return red("proof", f"{said}: {proof.violations} violations, see GET /v1/proof", _FIX)
    return green("proof", said)


async def finding_rows(database: Database) -> Sequence[Row]:
    """Whether anything that the proof found waits for an operator."""
    return [finding_row(await findings_standing(database))]


def finding_row(standing: FindingsStanding) -> Row:
    """How many findings are open, the oldest with their frozen wallets, and how to close one."""
    if standing.oldest:
        shown = "; ".join(_said(one, standing.frozen) for one in standing.oldest)
        more = standing.count - len(standing.oldest)
        found = f"{standing.count} open: {shown}" + (f"; and {more} more" if more > 0 else "")
        fix = f'put right, then payflow proof close {standing.oldest[0].id} --reason "…": {_FIX}'
        return red("findings", found, fix)
    if standing.left_frozen:
        found = f"none open; still frozen because of closed ones: {', '.join(standing.left_frozen)}"
        fix = f"POST /v1/wallets/{standing.left_frozen[0]}/unfreeze, or leave it so: {_FIX}"
        return yellow("findings", found, fix)
    return green("findings", "none open")


def _said(one: RecordedFinding, frozen: frozenset[str]) -> str:
    stays = [wallet_id for wallet_id in one.wallet_ids if wallet_id in frozen]
    told = f"{one.id} {one.finding.invariant} of {one.finding.subject_id}"
    return f"{told} (frozen: {', '.join(stays)})" if stays else told
