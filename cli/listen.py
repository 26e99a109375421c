"""``payflow listen``: my events, as they happen, signed and posted to a program on my machine."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import typer

from cli.configuration import load_settings
from cli.errors import UNREACHABLE, CliError
from cli.folder import DataFolder
from payflow.storage.identity import SystemClock
from payflow.webhooks.signing import new_secret, secret_bytes, signed_headers

COME_AGAIN_S = 1.0
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


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One event of a stream of Server-Sent Events (WHATWG HTML §9.2)."""

    position: str
    data: str


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
    """Forward events until stopped; whenever the stream ends, go on after the last one.

    Raises:
        CliError: the API does not let us in.
    """
    secret = new_secret()
    typer.echo(f"Signing with {secret}")
    typer.echo(f"Forwarding to {listener.forward_to}; Ctrl-C ends it.")
    last: str | None = None
    async with (
        httpx.AsyncClient(
            base_url=listener.api_url, timeout=STREAM_TIMEOUT, trust_env=False
        ) as api,
        httpx.AsyncClient(timeout=FORWARD_TIMEOUT_S, trust_env=False) as target,
    ):
        while True:
            try:
                token = await _sign_in(api, listener)
                async for event in _stream(api, listener.types, token, last):
                    last = event.position
                    typer.echo(await forward(target, listener.forward_to, event.data, secret))
            except httpx.HTTPError as error:
                typer.echo(f"The stream broke off ({type(error).__name__}); coming again.")
            await asyncio.sleep(COME_AGAIN_S)


async def forward(target: httpx.AsyncClient, url: str, data: str, secret: str) -> str:
    """Post one event as a webhook; what to tell the person who watches."""
    event = json.loads(data)
    body = json.dumps(webhook_body(event), separators=(",", ":"), ensure_ascii=False).encode()
    headers = signed_headers(event["id"], SystemClock().now(), body, [secret_bytes(secret)])
    try:
        answer = await target.post(
            url, content=body, headers={"content-type": "application/json", **headers}
        )
    except httpx.HTTPError as error:
        outcome = type(error).__name__
    else:
        outcome = str(answer.status_code)
    return f"{event['created_at']}  {event['type']:<26} {event['id']}  → {outcome}"


def webhook_body(event: Mapping[str, Any]) -> dict[str, Any]:
    """What a subscriber would be sent of an event of the feed."""
    return {name: event[name] for name in ("id", "type", "created_at", "sequence", "data")}


async def parse_stream(lines: AsyncIterator[str]) -> AsyncIterator[StreamedEvent]:
    """The events in the lines of a stream; comments and events without an id are passed over."""
    fields: dict[str, list[str]] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "id" in fields and "data" in fields:
            yield StreamedEvent(fields["id"][-1], "\n".join(fields["data"]))
        fields = {}


async def _sign_in(api: httpx.AsyncClient, listener: Listener) -> str:
    body = {"email": listener.email, "password": listener.password}
    answer = await api.post("/v1/auth/login", json=body)
    if answer.is_client_error:
        raise CliError(f"The API does not let {listener.email} in: {answer.json()['detail']}")
    answer.raise_for_status()
    return str(answer.json()["access_token"])


async def _stream(
    api: httpx.AsyncClient, types: Sequence[str], token: str, last: str | None
) -> AsyncIterator[StreamedEvent]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    if last is not None:
        headers["Last-Event-ID"] = last
    async with api.stream(
        "GET", "/v1/events/stream", params={"type": list(types)}, headers=headers
    ) as answer:
        if answer.is_client_error:
            await answer.aread()
            raise CliError(f"The API refuses the stream: {answer.json()['detail']}")
        answer.raise_for_status()
        async for event in parse_stream(answer.aiter_lines()):
            yield event
