"""``payflow verify`` and ``payflow webhooks rotate-keys``."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pymongo.errors import PyMongoError

from cli.configuration import settings_of_running_stack
from cli.errors import UNREACHABLE, CliError
from cli.receipts import money_lines
from payflow.client.errors import EventInvalid
from payflow.client.hooks import event_of
from payflow.domain.errors import Trouble
from payflow.domain.json_text import printable
from payflow.domain.repair_ports import COMMAND_LINE, OperatorAct
from payflow.domain.webhook_errors import WebhookSecretInvalid
from payflow.settings import Settings
from payflow.storage.factory import open_storage
from payflow.storage.identity import SystemClock
from payflow.storage.uncancelled import Calls
from payflow.webhooks.sealing import SealUnusable, load_sealer
from payflow.webhooks.signing import SignatureInvalid, secret_bytes, verify

REACH_WITHIN_S = 60.0


def verify_message(headers: Sequence[str], body: str, secret: str) -> str:
    """Check a message; ``body`` is a file, or ``-`` for standard input.

    Raises:
        CliError: it is not one the holder of the secret has signed just now, or not the JSON of
            one event; says why.
    """
    given = _headers(headers)
    try:
        key = secret_bytes(secret)
        content = sys.stdin.buffer.read() if body == "-" else Path(body).read_bytes()
        verify(given, content, key, SystemClock().now())
        event = event_of(content)
    except WebhookSecretInvalid as error:
        raise CliError(str(error)) from None
    except OSError as error:
        raise CliError(f"The body cannot be read: {error.strerror}.") from None
    except SignatureInvalid as error:
        raise CliError(f"Not verified: {error}.") from None
    except EventInvalid as error:
        raise CliError(f"Not verified, though it is signed with this secret: {error}") from None
    data = event.get("data")
    transfer = data if isinstance(data, dict) and data.get("object") == "transfer" else None
    return "\n".join(
        [
            "Verified: the holder of this secret has signed exactly this body.",
            f"  event     {printable(event['type'])}",
            *(money_lines(transfer) if transfer else ()),
        ]
    )


async def rotate_keys() -> str:
    """Encrypt every signing secret under the newest key; what to tell the person who asked.

    Raises:
        CliError: a key is missing, or the stack does not answer.
    """
    settings = settings_of_running_stack()
    try:
        async with asyncio.timeout(REACH_WITHIN_S):
            done = await Calls().run(reseal(settings))
    except SealUnusable as error:
        raise CliError(f"{error}.") from None
    except (Trouble, PyMongoError, OSError, TimeoutError):
        raise CliError(
            "The stack does not answer: is it running? `make up` starts it.", UNREACHABLE
        ) from None
    if done.failed:
        lines = [f"  {endpoint_id}: {why}" for endpoint_id, why in done.failed.items()]
        raise CliError(
            "\n".join(
                [
                    f"{done.count} endpoints re-encrypted, {len(done.failed)} not; add their keys "
                    "to PAYFLOW_WEBHOOK_KEYS, after the new one:",
                    *lines,
                ]
            )
        )
    return f"{done.count} endpoints re-encrypted; every secret is under the key {done.key_id}."


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many endpoints were re-encrypted, under which key; which were not, and why."""

    count: int
    key_id: str
    failed: Mapping[str, str] = field(default_factory=dict)


async def reseal(settings: Settings) -> Resealed:
    """Encrypt what is not under the newest key under it, on record in the audit log.

    An endpoint that cannot be decrypted keeps no other from being re-encrypted.
    """
    sealer = load_sealer(settings)
    async with open_storage(settings) as storage:
        act = OperatorAct(COMMAND_LINE, "rotate_webhook_keys", sealer.newest, "")
        act_id = await storage.audit.begin(act)
        count, failed = 0, dict[str, str]()
        while endpoints := [
            one
            for one in await storage.endpoints.sealed_otherwise(sealer.newest)
            if one.id not in failed
        ]:
            for endpoint in endpoints:
                try:
                    again = [sealer.seal_again(secret, endpoint.id) for secret in endpoint.secrets]
                except SealUnusable as error:
                    failed[endpoint.id] = str(error)
                    continue
                # one that was changed meanwhile is read again
                before = endpoint.secrets
                count += await storage.endpoints.set_secrets(endpoint.id, again, before=before)
        await storage.audit.finish(act_id, "failed" if failed else "done")
    return Resealed(count, sealer.newest, failed)


def _headers(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise CliError(f"{text!r} is no header: write NAME:VALUE.")
        if name.strip().lower() in found:
            raise CliError(f"{name.strip()!r} is there twice: which one was meant?")
        found[name.strip().lower()] = value.strip()
    return found
