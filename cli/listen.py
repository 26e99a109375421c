"""``payflow listen``: my events, as they happen, signed and posted to a program on my machine."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
import typer

from cli.configuration import load_settings
from cli.errors import UNREACHABLE, CliError
from cli.event_stream import Frame, frames_of
from cli.folder import DataFolder
from payflow.client import AsyncClient, CallInvalid, ProblemError, Retries, Unanswered
from payflow.client.clients import address_of
from payflow.client.errors import problem_of
from payflow.domain.http_answers import no_cookies
from payflow.domain.json_text import parse_json, printable
from payflow.storage.identity import SystemClock
from payflow.webhooks.signing import new_secret, secret_bytes, signed_headers

COME_AGAIN_S = 1.0
ONCE = Retries(attempts=1)  # the loop comes again by itself
FORWARD_TIMEOUT_S = 15.0  # as long as a subscriber has
# A stream is silent for as long as nothing happens, but for the heartbeats.
STREAM_TIMEOUT = httpx.Timeout(10.0, read=60.0)


@dataclass(frozen=True, slots=True)
class Listener:
    """Whose events, which of them, and where they go."""

    api_url: str
    forward_to: str
    types: Sequence[str]
    email: str
    password: str


def api_url_of_running_stack() -> str:
    """Where the API of the stack on this data folder answers.

    Raises:
        CliError: no stack says that it runs there.
    """
    folder = load_settings().data_dir
    facts = DataFolder(folder).published()
    if facts is None:
        raise CliError(
            f"No stack runs on {folder.absolute()}: start one with `make up`, or name an API with "
            "--api-url.",
            UNREACHABLE,
        )
    return str(facts["api_url"])


async def listen(listener: Listener) -> None:
    """Forward events until stopped; whenever the stream ends, go on after the last position.

    Raises:
        CliError: the API refuses the sign-in or the stream, or an address is none.
    """
    try:
        address_of(listener.api_url, "--api-url")
        address_of(listener.forward_to, "--forward-to")
    except CallInvalid as error:
        raise CliError(f"{error}.") from None
    secret = new_secret()
    typer.echo(f"Signing with {secret}")
    typer.echo(f"Forwarding to {listener.forward_to}; Ctrl-C ends it.")
    last: str | None = None
    async with (
        httpx.AsyncClient(
            base_url=listener.api_url, timeout=STREAM_TIMEOUT, trust_env=False, cookies=no_cookies()
        ) as api,
        httpx.AsyncClient(
            timeout=FORWARD_TIMEOUT_S, trust_env=False, cookies=no_cookies()
        ) as target,
    ):
        while True:
            try:
                token = await _sign_in(api, listener)
                async with aclosing(_stream(api, listener.types, token, last)) as frames:
                    async for frame in frames:
                        if frame.id is None:  # why the stream ends
                            continue
                        last = frame.id
                        if frame.data is not None:
                            said = await forward(target, listener.forward_to, frame.data, secret)
                            typer.echo(said)
            except (httpx.HTTPError, ProblemError, Unanswered) as error:
                typer.echo(f"The stream broke off ({type(error).__name__}); coming again.")
            await asyncio.sleep(COME_AGAIN_S)


async def forward(target: httpx.AsyncClient, url: str, data: str, secret: str) -> str:
    """Post one event as a webhook; what to tell the person who watches."""
    try:
        event = parse_json(data)
        body = json.dumps(webhook_body(event), separators=(",", ":"), ensure_ascii=False).encode()
        name, event_id = str(event["type"]), str(event["id"])
        headers = signed_headers(event_id, SystemClock().now(), body, [secret_bytes(secret)])
    except (ValueError, TypeError, KeyError):
        return "What the stream brought is no event; it was passed over."
    try:
        answer = await target.post(
            url, content=body, headers={"content-type": "application/json", **headers}
        )
    except (httpx.HTTPError, ValueError) as error:  # ValueError: an id that no header can hold
        outcome = type(error).__name__
    else:
        outcome = str(answer.status_code)
    return printable(f"{event['created_at']}  {name:<26} {event_id}  → {outcome}")


def webhook_body(event: Mapping[str, Any]) -> dict[str, Any]:
    """What a subscriber would be sent of an event of the feed."""
    return {name: event[name] for name in ("id", "type", "created_at", "sequence", "data")}


async def _sign_in(api: httpx.AsyncClient, listener: Listener) -> str:
    try:
        client = AsyncClient(listener.api_url, http=api, retries=ONCE)
        tokens = await client.sign_in(listener.email, listener.password)
    except CallInvalid as error:
        raise CliError(f"Nothing can be asked of the API: {error}.") from None
    except ProblemError as error:
        if error.status >= 500:
            raise
        raise CliError(f"The API does not let {listener.email} in: {error}") from None
    return tokens["access_token"]


async def _stream(
    api: httpx.AsyncClient, types: Sequence[str], token: str, last: str | None
) -> AsyncGenerator[Frame, None]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    if last:
        headers["Last-Event-ID"] = last
    async with api.stream(
        "GET", "/v1/events/stream", params={"type": list(types)}, headers=headers
    ) as answer:
        if not answer.is_success:
            await answer.aread()
            problem = problem_of(answer)
            if answer.is_client_error:
                raise CliError(f"The API refuses the stream: {problem}")
            raise problem
        async for frame in frames_of(answer.aiter_bytes()):
            yield frame
