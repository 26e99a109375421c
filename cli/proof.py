"""``payflow proof``: what the last proof says, or a pass at once, by the worker that does it."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError
from ulid import ULID

from cli.configuration import settings_of_running_stack
from cli.errors import UNREACHABLE, CliError
from payflow.domain.errors import Trouble
from payflow.domain.proof_ports import ProofPending, Verdict
from payflow.settings import Settings
from payflow.storage.connection import open_client
from payflow.storage.identity import SystemClock
from payflow.storage.proof_documents import ProofDocument
from payflow.storage.proofs import MongoProofs, is_stale
from temporal.client import connect
from temporal.names import MAINTENANCE_QUEUE, PROOF_WORKFLOW, PROOF_WORKFLOW_ID
from temporal.policies import PROOF_ALTOGETHER
from temporal.schedules import ProofOrder


@dataclass(frozen=True, slots=True)
class ShownProof:
    """The last proof as JSON, and whether it is good: neither violated nor stale."""

    text: str
    is_ok: bool
    is_stale: bool


def proof(*, full: bool) -> ShownProof:
    """The last proof, with ``full`` after a pass from the beginning.

    Raises:
        CliError: the stack does not answer, or no pass has ended yet.
    """
    settings = settings_of_running_stack()
    try:
        statement = asyncio.run(_read(settings, full=full))
    except ProofPending as pending:
        raise CliError(str(pending)) from None
    except WorkflowFailureError as failure:
        raise CliError(f"The pass did not end: {failure.cause!r}") from None
    except (Trouble, PyMongoError, RPCError, RuntimeError, OSError):
        raise CliError(
            "The stack does not answer: is it running? `make up` starts it.", UNREACHABLE
        ) from None
    stale = is_stale(statement, SystemClock().now())
    is_ok = statement["status"] == "ok" and not stale
    return ShownProof(json.dumps(statement, indent=2), is_ok, stale)


async def run_pass(client: Client, *, full: bool = False) -> Verdict:
    """Have a worker run a pass now, beside those of the schedule; what it came to."""
    verdict: Verdict = await client.execute_workflow(
        PROOF_WORKFLOW,
        ProofOrder(full=full),
        id=f"{PROOF_WORKFLOW_ID}-{ULID()}",
        task_queue=MAINTENANCE_QUEUE,
        execution_timeout=PROOF_ALTOGETHER,
        result_type=Verdict,
    )
    return verdict


async def _read(settings: Settings, *, full: bool) -> dict[str, Any]:
    if full:
        await run_pass(await connect(settings), full=True)
    async with open_client(settings) as client:
        kept = client[settings.mongo_database][ProofDocument.Settings.name]
        found = await MongoProofs(kept, SystemClock()).before(None, 1)
    if not found:
        raise ProofPending
    return dict(found[0])
