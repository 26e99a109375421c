"""Whatever answers, the client gives a typed answer or raises one of its documented errors."""

import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.v1.examples import (
    BATCH_ANSWER,
    ENDPOINT_ANSWER,
    EVENT_ANSWER,
    TOKENS_ANSWER,
    TRANSFER_ANSWER,
    USER_ANSWER,
    WALLET_ANSWER,
)
from payflow.client import (
    AsyncClient,
    Client,
    ClientError,
    Invalid,
    Retries,
    ServerTrouble,
    Unanswered,
    calls,
)
from tests.webhooks.receivers import answering, receiver, status

ORDER: dict[str, Any] = {"source_wallet_id": "wal_1", "amount": 1250, "currency": "USD"}
AT_ONCE = Retries(attempts=2, first_pause_s=0, longest_wait_s=0)
ASK: dict[str, Callable[[Client], Any]] = {
    "me": lambda client: client.me(),
    "sign_in": lambda client: client.sign_in("alice@example.com", "password"),
    "wallets": lambda client: list(client.wallets()),
    "make_transfer": lambda client: client.make_transfer(**ORDER, key="order-4711"),
    "delete_endpoint": lambda client: client.delete_endpoint("whe_1"),
}
WITH_A_BODY = {name: ask for name, ask in ASK.items() if name != "delete_endpoint"}


def client_of(answer: Callable[[], httpx.Response], **more: Any) -> Client:
    http = httpx.Client(transport=httpx.MockTransport(lambda _: answer()), **more)
    return Client("http://api.example.com", http=http, retries=AT_ONCE)


ODD_TEXT = [
    b"gzip",
    b"br, gzip",
    b"application/json; charset=base64",
    b"text/html; charset=undefined",
    b"a=b; expires=Mon, 01 Jan 99999999 00:00:00 GMT",
    b"a=b; Max-Age=99999999999999999999999",
    b"a=\xff\xfe",
    b"http://[",
    b"//\xff",
    b"ftp://a",
    b"Mon, 01 Jan 2024 99999999999999999999:00:00 GMT",
    b"9" * 5_000,
]
ODD_VALUES = st.sampled_from(ODD_TEXT) | st.binary(max_size=40).filter(
    lambda raw: not set(raw) & {0, 10, 13}
)
ODD_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"content-type", b"content-encoding", b"retry-after", b"set-cookie", b"location"]
        ),
        ODD_VALUES,
    ),
    max_size=4,
)
ODD_BODIES = st.binary(max_size=50) | st.sampled_from(
    [
        b"",
        b"<h1>Bad gateway</h1>",
        b"null",
        b"[1]",
        b"{}",
        b'{"object": 1, "data": 5, "has_more": 1, "next_cursor": 5}',
        b'{"object": 1, "data": [5], "has_more": 1, "next_cursor": null}',
        b'{"errors": 5}',
        b'{"errors": [5, {"field": []}, {"field": "a", "message": {}}], "code": {}}',
        b'{"code": "\\ud800", "detail": "\\u001b[2J"}',
        b"[" * 100_000,
        b'{"code":' * 500 + b"1" + b"}" * 500,
        b"NaN",
        b"1" * 5_000,
    ]
)


@given(st.integers(100, 999), ODD_HEADERS, ODD_BODIES, st.booleans())
def test_only_documented_errors_come_of_any_answer(
    code: int, headers: list[tuple[bytes, bytes]], body: bytes, follow: bool
) -> None:
    client = client_of(
        lambda: httpx.Response(code, headers=headers, stream=httpx.ByteStream(body)),
        follow_redirects=follow,
    )
    for ask in ASK.values():
        try:
            ask(client)
        except ClientError as error:
            assert str(error).isprintable()


@pytest.mark.parametrize("ask", WITH_A_BODY.values(), ids=WITH_A_BODY)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<h1>Sign in to the network</h1>",
        b"null",
        b"[]",
        b"{}",
        b'{"object": "list", "data": 5, "has_more": false, "next_cursor": null}',
        b'{"object": "list", "data": [{}], "has_more": false, "next_cursor": null}',
        b'{"object": "list", "data": [], "has_more": false, "next_cursor": 7}',
    ],
    ids=lambda one: one.decode()[:40],
)
def test_an_answer_that_cannot_be_understood_is_none(
    ask: Callable[[Client], Any], body: bytes
) -> None:
    with pytest.raises(Unanswered) as unknown:
        ask(client_of(lambda: httpx.Response(200, content=body)))
    expected = "order-4711" if ask is ASK["make_transfer"] else None
    assert unknown.value.idempotency_key == expected


@pytest.mark.parametrize(
    ("ask", "right"),
    [
        (lambda c: c.me(), USER_ANSWER),
        (lambda c: c.wallet("wal_1"), WALLET_ANSWER),
        (lambda c: c.login("a", "b"), TOKENS_ANSWER),
        (lambda c: c.make_transfer(**ORDER), TRANSFER_ANSWER),
        (lambda c: c.batch("bat_1"), BATCH_ANSWER),
    ],
)
def test_an_answer_is_what_was_sent_and_may_have_more(
    ask: Callable[[Client], Any], right: dict[str, Any]
) -> None:
    more = {**right, "added_later": {"a": 1}}
    assert ask(client_of(lambda: httpx.Response(200, json=more))) == more
    twice = httpx.Response(200, json=right).content[:-1] + b', "id": "other", "id": "other"}'
    with pytest.raises(Unanswered, match="names 'id' twice in one object"):
        ask(client_of(lambda: httpx.Response(200, content=twice)))


@pytest.mark.parametrize(
    ("ask", "item"),
    [
        (lambda c: list(c.events()), EVENT_ANSWER),
        (lambda c: list(c.endpoints()), ENDPOINT_ANSWER),
    ],
)
def test_a_page_is_its_items_and_may_have_more(
    ask: Callable[[Client], Any], item: dict[str, Any]
) -> None:
    page = {"object": "list", "data": [item], "has_more": False, "next_cursor": None, "x": 1}
    assert ask(client_of(lambda: httpx.Response(200, json=page))) == [item]


def test_no_content_is_the_answer_of_a_deletion() -> None:
    deleted: object = client_of(lambda: httpx.Response(204)).do(calls.delete_endpoint("whe_1"))
    assert deleted is None


def test_fields_that_a_problem_names_are_read_and_others_passed_over() -> None:
    problem = {
        "code": "validation_error",
        "detail": "See errors.",
        "errors": [5, {"field": "amount", "message": "must be positive", "more": 1}, {"field": 7}],
    }
    with pytest.raises(Invalid) as refused:
        client_of(lambda: httpx.Response(422, json=problem)).me()
    assert refused.value.errors == [{"field": "amount", "message": "must be positive"}]
    assert str(refused.value) == ("422 validation_error: See errors. (amount: must be positive)")


def test_a_page_of_a_proxy_is_shown_without_its_control_characters() -> None:
    page = b"<h1>\x1b[2JBad gateway</h1>\xff" + b"x" * 10_000
    with pytest.raises(ServerTrouble) as refused:
        client_of(lambda: httpx.Response(502, content=page)).refresh("pfr_1")
    assert str(refused.value).startswith(r"502 unknown: <h1>\x1b[2JBad gateway</h1>")
    assert len(str(refused.value)) < 300


async def test_a_cookie_of_a_proxy_breaks_no_later_call() -> None:
    headers = ["Content-Type: text/html", b"Set-Cookie: a=\xff".decode("latin-1")]
    async with receiver(answering(status(404, *headers))) as server:
        client = AsyncClient(server.url.removesuffix("/hook"), retries=AT_ONCE)
        for _ in range(2):
            with pytest.raises(ClientError, match="404 unknown"):
                await client.me()
    assert len(server.requests) == 2
    assert not [one for one in server.requests if "cookie" in one.headers]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x00\xff" * 100,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 999999999999 OK\r\n\r\n",
    ],
    ids=lambda one: repr(one)[:50],
)
async def test_bytes_that_are_no_answer_are_tried_again_under_the_same_key(said: bytes) -> None:
    async with receiver(answering(said)) as server:
        client = AsyncClient(server.url.removesuffix("/hook"), retries=AT_ONCE)
        with pytest.raises(Unanswered) as unknown:
            await client.make_transfer(**ORDER, key="order-4711")
    assert unknown.value.idempotency_key == "order-4711"
    assert [one.headers["idempotency-key"] for one in server.requests] == ["order-4711"] * 2


def test_no_warning_comes_of_a_cookie() -> None:
    answer = httpx.Response(
        404, headers={"Set-Cookie": "a=b; expires=Mon, 01 Jan 99999999 00:00:00 GMT"}
    )
    with warnings.catch_warnings(), pytest.raises(ClientError):
        warnings.simplefilter("error")
        client_of(lambda: answer).me()
