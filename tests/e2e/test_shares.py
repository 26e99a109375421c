"""One account, or somebody without one, never takes the API from others: real sockets, one API."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from cli.stack import EmbeddedStack, StackOptions
from tests.conftest import ALL_IN_ONE, TEST_ENV
from tests.e2e.bank import Bank, Person, new_key, order

IN_FLIGHT = 40
SHARE = IN_FLIGHT // 4
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
async def narrow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """One process with few places."""
    env = {**TEST_ENV, "PAYFLOW_MAX_IN_FLIGHT": str(IN_FLIGHT)}
    options = StackOptions(tmp_path_factory.mktemp("narrow"), layout=ALL_IN_ONE, env=env)
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def stack(narrow: EmbeddedStack) -> EmbeddedStack:
    return narrow


async def connected(stack: EmbeddedStack) -> Connection:
    address = urlsplit(stack.addresses.api_url)
    return await asyncio.open_connection(address.hostname, address.port)


def head_of(line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{line} HTTP/1.1\r\n{fields}\r\n".encode()


def half_a_batch(headers: Mapping[str, str], path: str = "/v1/batches") -> bytes:
    """The head of a request, and a part of its body."""
    fields = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": "5000",
        "Idempotency-Key": new_key(),
        **headers,
    }
    return head_of(f"POST {path}", fields.items()) + b'{"mode": "independent", "transfers": ['


async def answer_of(connection: Connection) -> tuple[int, str]:
    """Status and text of the next answer with a Content-Length."""
    reader = connection[0]
    async with asyncio.timeout(5):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split()[1]), head + body.decode()


@asynccontextmanager
async def half_sent(stack: EmbeddedStack, number: int, sent: bytes) -> AsyncIterator[Counter[int]]:
    """So many requests with half a body; how those were answered that were."""
    connections = [await connected(stack) for _ in range(number)]
    for _, writer in connections:
        writer.write(sent)
    answered = await asyncio.gather(
        *(asyncio.wait_for(answer_of(one), 2) for one in connections), return_exceptions=True
    )
    yield Counter(one[0] if isinstance(one, tuple) else 0 for one in answered)
    for _, writer in connections:
        writer.close()


async def pays(bank: Bank, alice: Person, bob: Person) -> int:
    headers = {"Idempotency-Key": new_key(), "Prefer": "wait=10"}
    body = order(alice, bob, 1)
    return (await bank.ask("POST", "/v1/transfers", alice, body=body, headers=headers)).status_code


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/transfers"])
async def test_one_account_holds_its_share_of_the_places_and_others_are_served(
    bank: Bank, stack: EmbeddedStack, path: str
) -> None:
    alice, bob, eve = await bank.funded(100), await bank.person("bob"), await bank.person("eve")
    sent = half_a_batch(eve.headers, path)
    async with half_sent(stack, 2 * IN_FLIGHT, sent) as answered:
        assert answered == {503: 2 * IN_FLIGHT - SHARE, 0: SHARE}
        assert (
            await asyncio.gather(*(pays(bank, alice, bob) for _ in range(SHARE))) == [201] * SHARE
        )
        refused = await bank.ask("GET", "/v1/wallets", eve)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert "your requests" in refused.json()["detail"]
        assert refused.headers["retry-after"] == "1"
    async with asyncio.timeout(5):
        while (await bank.ask("GET", "/v1/wallets", eve)).status_code != 200:
            await asyncio.sleep(0.05)


async def test_one_address_without_an_account_holds_its_share(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    async with half_sent(stack, IN_FLIGHT, half_a_batch({}, "/v1/auth/login")) as answered:
        assert answered == {503: IN_FLIGHT - SHARE, 0: SHARE}
        assert await pays(bank, alice, bob) == 201


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/transfers", "/v1/nothing"])
@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Bearer pf_test_nonsense"])
async def test_a_body_is_not_awaited_from_somebody_unknown(
    stack: EmbeddedStack, path: str, token: str
) -> None:
    connection = await connected(stack)
    connection[1].write(half_a_batch({"Authorization": token} if token else {}, path))
    status, text = await answer_of(connection)
    assert status == 401, text
    assert "x-request-id: " in text
    async with asyncio.timeout(8):
        assert await connection[0].read() == b""  # closed: the rest never came
    connection[1].close()


async def test_a_path_that_takes_no_body_does_not_wait_for_one(stack: EmbeddedStack) -> None:
    for line, expected in {"GET /health/live": 200, "POST /health/live": 405}.items():
        connection = await connected(stack)
        fields = {"Host": "localhost", "Content-Length": "5000"}
        connection[1].write(head_of(line, fields.items()))
        assert (await answer_of(connection))[0] == expected
        connection[1].close()


async def test_a_trailer_signs_nobody_in(bank: Bank, stack: EmbeddedStack) -> None:
    alice = await bank.person()
    fields = {"Host": "localhost", "Transfer-Encoding": "chunked"}
    trailer = f"Authorization: {alice.headers['Authorization']}\r\n\r\n".encode()
    for first, last, expected in (
        (fields, trailer, 401),
        ({**fields, **alice.headers}, b"\r\n", 200),  # the control
    ):
        connection = await connected(stack)
        connection[1].write(head_of("GET /v1/auth/me", first.items()) + b"0\r\n" + last)
        status, text = await answer_of(connection)
        assert status == expected, text
        connection[1].close()


@pytest.mark.parametrize(
    "twice",
    [
        {"Authorization": "Bearer nonsense"},
        {"Host": "example.com"},
        {"Content-Type": "text/csv"},
        {"X-Request-Id": "one"},
    ],
    ids=lambda twice: next(iter(twice)),
)
async def test_a_field_that_says_one_thing_comes_once(
    bank: Bank, stack: EmbeddedStack, twice: dict[str, str]
) -> None:
    alice = await bank.person()
    right = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "X-Request-Id": "two",
        "Prefer": "wait=1",
        **alice.headers,
    }
    for more, expected in ((twice, 400), ({"Prefer": "handling=strict"}, 200)):
        for fields in ([*right.items(), *more.items()], [*more.items(), *right.items()]):
            connection = await connected(stack)
            connection[1].write(head_of("GET /v1/auth/me", fields))
            status, text = await answer_of(connection)
            assert status == expected, text
            if expected == 400:
                problem = json.loads(text.partition("\r\n\r\n")[2])
                assert problem["code"] == "header_invalid"
                assert next(iter(twice)).lower() in problem["detail"]
            connection[1].close()


async def test_a_request_names_its_host(stack: EmbeddedStack) -> None:
    for fields, expected in (({}, 400), ({"Host": "localhost"}, 200)):
        connection = await connected(stack)
        connection[1].write(head_of("GET /health/live", fields.items()))
        assert (await answer_of(connection))[0] == expected
        connection[1].close()


async def test_what_cannot_be_parsed_has_the_headers_of_every_answer(
    bank: Bank, stack: EmbeddedStack
) -> None:
    usual = await bank.ask("GET", "/v1/nothing")
    connection = await connected(stack)
    connection[1].write(b"nonsense\r\n\r\n")
    status, text = await answer_of(connection)
    assert status == 400
    promised = {"x-request-id", "date", *usual.headers} - {"ratelimit", "ratelimit-policy"}
    sent = {line.partition(":")[0] for line in text.partition("\r\n\r\n")[0].split("\r\n")[1:]}
    assert promised <= sent
    connection[1].close()


@pytest.mark.parametrize(
    "path",
    ["/healthX", "/health/live/x", "/metricsX", "/docsX", "/openapi.jsonX", "/.well-known/x"],
)
async def test_only_the_open_paths_themselves_are_without_a_limit(bank: Bank, path: str) -> None:
    beside = await bank.ask("GET", path)
    assert beside.status_code == 404
    assert "ratelimit" in beside.headers
    for one in ("/health/live", "/docs", "/openapi.json", "/.well-known/jwks.json"):
        answer = await bank.ask("GET", one)
        assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)


async def counted(bank: Bank, status: int) -> float:
    """How many requests the API says it has answered so."""
    lines: httpx.Response = await bank.ask("GET", "/metrics")
    found = re.findall(
        rf'^payflow_http_requests_total{{[^}}]*status="{status}"}} (\S+)$', lines.text, re.MULTILINE
    )
    return sum(map(float, found))


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/transfers"])
async def test_a_client_that_leaves_is_no_failure(
    bank: Bank, stack: EmbeddedStack, path: str
) -> None:
    alice = await bank.person()
    log = stack.data_dir / "logs" / "serve.log"
    before, said = await counted(bank, 500), len(log.read_bytes())
    left = await counted(bank, 499)
    connection = await connected(stack)
    connection[1].write(half_a_batch(alice.headers, path))
    await asyncio.sleep(0.2)
    connection[1].close()
    async with asyncio.timeout(8):
        while await counted(bank, 499) == left:
            await asyncio.sleep(0.5)
    assert await counted(bank, 500) == before
    assert "Traceback" not in log.read_bytes()[said:].decode()
