"""``payflow listen``: a stream taken apart, and each event posted as a webhook would be."""

import json
from collections.abc import AsyncIterator

import httpx

from cli.listen import forward, parse_stream
from payflow.webhooks.signing import new_secret
from tests.webhooks.events import event
from tests.webhooks.post import only, verified
from tests.webhooks.receivers import receiver

STREAM = """retry: 1000
: connected

: heartbeat

id: 7
event: transfer.completed
data: {"a":
data: 1}

event: stream.ended
data: {}

id:8
data:{}

id: 9
data: cut off"""


async def lines() -> AsyncIterator[str]:
    for line in STREAM.splitlines():
        yield line


async def test_a_stream_is_its_events() -> None:
    found = [(one.position, one.data) async for one in parse_stream(lines())]
    assert found == [("7", '{"a":\n1}'), ("8", "{}")]


async def test_an_event_is_forwarded_as_a_webhook() -> None:
    happened, secret = event(["usr_1"]), new_secret()
    streamed = json.dumps({**happened.body, "position": 7})
    async with receiver() as program, httpx.AsyncClient(trust_env=False) as client:
        said = await forward(client, program.url, streamed, secret)
    assert verified(only(program), secret) == happened.body
    assert said.endswith("200")
    assert happened.id in said


async def test_a_program_that_is_not_there_is_said_and_no_more() -> None:
    async with receiver() as program:
        url = program.url
    async with httpx.AsyncClient(trust_env=False) as client:
        said = await forward(client, url, json.dumps(dict(event(["usr_1"]).body)), new_secret())
    assert said.endswith("ConnectError")
