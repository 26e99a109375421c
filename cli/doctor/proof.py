"""The always-on proof as the doctor sees it: what it said last, and whether it still runs."""

from collections.abc import Sequence

from cli.doctor.rows import Row, green, lasting, red, yellow
from payflow.domain.observing import Proven
from payflow.proof.sums import Database
from payflow.storage.census import last_proof
from payflow.storage.proof_documents import ProofDocument

LATE, LOST = 3, 10  # intervals; a pass takes seconds, and the one after a restart is full
AT_LEAST_S = 60.0
_FIX = "docs/operations.md#proof-violated"


async def proof_rows(database: Database, interval_s: float) -> Sequence[Row]:
    """Whether the books are proved, and right."""
    return [proof_row(await last_proof(database[ProofDocument.Settings.name]), interval_s)]


def proof_row(proof: Proven | None, interval_s: float) -> Row:
    """What the last proof says, unless it is too old to say anything."""
    if proof is None:
        return yellow("proof", "the first pass has not ended", _FIX)
    said = f"{proof.status}, {lasting(proof.age_s)} ago, of {proof.transfers} transfers"
    if proof.violations:
        return red("proof", f"{said}: {proof.violations} violations, see GET /v1/proof", _FIX)
    every_s = max(interval_s, AT_LEAST_S)
    if proof.age_s > LOST * every_s:
        return red("proof", f"{said}: no worker proves", _FIX)
    if proof.age_s > LATE * every_s:
        return yellow("proof", f"{said}: late", _FIX)
    return green("proof", said)
