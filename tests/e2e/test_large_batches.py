"""The largest bodies that are permitted cost the API little memory, and others hardly any time."""

import asyncio
import csv
import io
import json
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from cli.apps import Layout
from cli.stack import EmbeddedStack, StackOptions
from payflow.domain.batches import MAX_ITEMS
from tests.conftest import TEST_ENV
from tests.e2e.bank import Bank, Json, Person, new_key, order

LARGEST = 8 * 1024 * 1024
ALIVE_WITHIN_S = 0.5
MEMORY_BYTES = 300 * 1024 * 1024  # above that of the idle process
JSON, CSV = "application/json", "text/csv"
IS_LONG = os.environ.get("PAYFLOW_STORM") == "long"  # on a machine that does nothing else


@pytest.fixture(scope="module")
async def apart(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """The API is a process of its own: its memory is nobody else's."""
    options = StackOptions(tmp_path_factory.mktemp("apart"), layout=Layout(apis=1), env=TEST_ENV)
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def stack(apart: EmbeddedStack) -> EmbeddedStack:
    return apart


def filled(before: str, one: str, after: str = "") -> str:
    """The largest body that begins so and goes on with the same."""
    return before + one * ((LARGEST - len(before) - len(after)) // len(one)) + after


def items_of(alice: Person, bob: Person) -> list[Json]:
    """As many as may be, as large as fit."""
    note = {f"key-{n:02}": "v" * 40 for n in range(9)}
    return [{**order(alice, bob, 1), "metadata": note} for _ in range(MAX_ITEMS)]


def as_json(alice: Person, bob: Person) -> str:
    return json.dumps({"mode": "independent", "transfers": items_of(alice, bob)})


def as_csv(alice: Person, bob: Person) -> str:
    text = io.StringIO()
    items = [{**one, "metadata": json.dumps(one["metadata"])} for one in items_of(alice, bob)]
    writer = csv.DictWriter(text, items[0])
    writer.writeheader()
    writer.writerows(items)
    return text.getvalue()


HEAD = '{"mode": "independent", "transfers": ['
BODIES: dict[str, tuple[str, Callable[[Person, Person], str], int]] = {
    "valid": (JSON, as_json, 202),
    "valid csv": (CSV, as_csv, 202),
    "empty items": (JSON, lambda *_: filled(HEAD, "{},", "{}]}"), 422),
    "wrong items": (
        JSON,
        lambda a, b: filled(HEAD, json.dumps({**order(a, b, 1), "amount": 0}) + ",", "{}]}"),
        422,
    ),
    "one item": (JSON, lambda *_: filled(HEAD + "{", '"a":1,', '"b":1}]}'), 422),
    "brackets": (JSON, lambda *_: filled(HEAD, "[[],[]],", "0]}"), 422),
    "members": (JSON, lambda *_: filled("{", '"a":[],', '"b":1}'), 400),
    "a string": (JSON, lambda *_: filled('{"mode": "', "x", '"}'), 422),
    "empty lines": (CSV, lambda *_: filled("amount,currency", "\n"), 422),
    "short lines": (CSV, lambda *_: filled("amount,currency\n", "0,USD\n"), 422),
    "cells": (CSV, lambda *_: filled("amount,currency\n", ","), 422),
}


async def post(bank: Bank, who: Person, kind: str, body: str) -> int:
    headers = {**who.headers, "Content-Type": kind, "Idempotency-Key": new_key()}
    url = f"{bank.urls[0]}/v1/batches"
    answer: httpx.Response = await bank.client.post(url, content=body.encode(), headers=headers)
    if answer.status_code >= 500:
        print(answer.text)  # noqa: T201  # shown when it fails
    return answer.status_code


PROBER = """
import http.client, sys, time
host, port, pid, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], 0.0
slowest, probes, before, most = 0.0, 0, 0, 0
connection = http.client.HTTPConnection(host, port, timeout=30)
print("ready", flush=True)
import select
while not select.select([sys.stdin], [], [], 0.02)[0]:
    begun = time.perf_counter()
    connection.request("GET", "/health/live")
    assert connection.getresponse().read() == b'{"status":"ok"}'
    slowest, probes = max(slowest, time.perf_counter() - begun), probes + 1
    with open(f"/proc/{pid}/statm") as file:
        rss = int(file.read().split()[1]) * 4096
    before, most = before or rss, max(most, rss)
print(slowest, probes, before, most)
"""


@dataclass
class Watched:
    """How the API did while something was asked of it."""

    slowest_s: float = 0.0
    probes: int = 0
    before: int = 0
    most: int = 0
    elapsed_s: float = 0.0

    def __str__(self) -> str:
        before, most = self.before / 2**20, self.most / 2**20
        return f"{before:.0f} to {most:.0f} MiB, slowest of {self.probes}: {self.slowest_s:.3f} s"


@asynccontextmanager
async def watching(stack: EmbeddedStack) -> AsyncIterator[Watched]:
    """Asks the API whether it lives, from a process that does nothing else."""
    watched = Watched()
    address = urlsplit(stack.addresses.api_url)
    where = (str(address.hostname), str(address.port), str(stack.pid("api")))
    prober = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROBER, *where, stdin=PIPE, stdout=PIPE
    )
    assert prober.stdout is not None
    await prober.stdout.readline()
    begun = time.monotonic()
    try:
        yield watched
        watched.elapsed_s = time.monotonic() - begun
        await asyncio.sleep(0.2)
    finally:
        told, _ = await prober.communicate(b"end\n")
    slowest, probes, before, most = told.split()
    watched.slowest_s, watched.probes = float(slowest), int(probes)
    watched.before, watched.most = int(before), int(most)
    print(watched)  # noqa: T201  # shown when it fails


def within_bounds(watched: Watched) -> None:
    assert watched.probes > 1
    # on a loaded machine: no probe waits for the whole work, as it did on the event loop
    limit_s = ALIVE_WITHIN_S if IS_LONG else max(ALIVE_WITHIN_S, watched.elapsed_s / 2)
    assert watched.slowest_s < limit_s, watched
    assert watched.most - watched.before < MEMORY_BYTES, watched


@pytest.mark.parametrize("name", BODIES)
async def test_a_largest_body_costs_little(bank: Bank, stack: EmbeddedStack, name: str) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    kind, body_of, expected = BODIES[name]
    body = body_of(alice, bob)
    async with watching(stack) as watched:
        assert await post(bank, alice, kind, body) == expected
    within_bounds(watched)


async def test_several_largest_bodies_at_once_cost_little(bank: Bank, stack: EmbeddedStack) -> None:
    everyone = [await bank.person() for _ in range(8)]
    bodies = [BODIES["valid"], BODIES["one item"], BODIES["valid csv"], BODIES["brackets"]] * 2
    calls = [
        (who, kind, body_of(who, everyone[0] if who is not everyone[0] else everyone[1]))
        for who, (kind, body_of, _) in zip(everyone, bodies, strict=True)
    ]
    async with watching(stack) as watched:
        found = await asyncio.gather(*(post(bank, *call) for call in calls))
    assert set(found) <= {202, 422, 503}
    assert 202 in found
    within_bounds(watched)
