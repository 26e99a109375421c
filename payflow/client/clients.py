"""The two clients: the same calls, one waits and the other awaits."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import count
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast
from urllib.parse import urlsplit

import httpx

from payflow.client import calls
from payflow.client.answers import Page, Tokens
from payflow.client.call import Call
from payflow.client.errors import CallInvalid, Unanswered, problem_of
from payflow.client.retrying import Outcome, Retries
from payflow.domain.http_answers import no_cookies
from payflow.domain.json_text import printable

T = TypeVar("T")
P = ParamSpec("P")

_PATIENT = Retries()


def _asks(build: Callable[P, Call[T]]) -> "Callable[Concatenate[Client, P], T]":
    @wraps(build)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.do(build(*args, **kwargs))

    return method


def _lists(build: Callable[P, Call[Page[T]]]) -> "Callable[Concatenate[Client, P], Iterator[T]]":
    @wraps(build)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.all(build(*args, **kwargs))

    return method


def _asks_async(
    build: Callable[P, Call[T]],
) -> "Callable[Concatenate[AsyncClient, P], Awaitable[T]]":
    @wraps(build)
    def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self.do(build(*args, **kwargs))

    return method


def _lists_async(
    build: Callable[P, Call[Page[T]]],
) -> "Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]":
    @wraps(build)
    def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.all(build(*args, **kwargs))

    return method


class Client:
    """A client that waits. ``http`` may bring a transport or a proxy of one's own.

    Each method raises ``CallInvalid``, ``ProblemError`` or ``Unanswered``; a lack of funds is none
    of them, but a transfer whose status is ``failed``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        retries: Retries = _PATIENT,
        http: httpx.Client | None = None,
    ) -> None:
        self.token = token
        self._base_url = _base_of(base_url)
        self._retries = retries
        self._http = http or httpx.Client(cookies=no_cookies())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def do(self, call: Call[T]) -> T:
        """Make a call, again and again while that is safe and may help."""
        arguments = _request(self._base_url, self.token, call)
        with _building():
            request = self._http.build_request(**arguments)
        for attempt in count(1):
            outcome = self._outcome(request)
            pause_s = self._retries.pause_s(call, outcome, attempt)
            if pause_s is None:
                break
            time.sleep(pause_s)
        return _result(call, outcome)

    def all(self, call: Call[Page[T]]) -> Iterator[T]:
        """Everything of a list, page after page."""
        while True:
            page = self.do(call)
            yield from page["data"]
            if page["next_cursor"] is None:
                return
            call = call.after(page["next_cursor"])

    def sign_in(self, email: str, password: str) -> Tokens:
        """Begin a session; its access token is sent from now on."""
        tokens = self.login(email, password)
        self.token = tokens["access_token"]
        return tokens

    def _outcome(self, request: httpx.Request) -> Outcome:
        try:
            return self._http.send(request)
        except (httpx.RequestError, ValueError) as error:
            return _failed(request, error)

    register = _asks(calls.register)
    login = _asks(calls.login)
    refresh = _asks(calls.refresh)
    me = _asks(calls.me)
    open_wallet = _asks(calls.open_wallet)
    wallet = _asks(calls.wallet)
    wallets = _lists(calls.wallets)
    entries = _lists(calls.entries)
    deposit = _asks(calls.deposit)
    withdraw = _asks(calls.withdraw)
    make_transfer = _asks(calls.make_transfer)
    transfer = _asks(calls.transfer)
    transfers = _lists(calls.transfers)
    receipt = _asks(calls.receipt)
    make_batch = _asks(calls.make_batch)
    batch = _asks(calls.batch)
    batch_items = _lists(calls.batch_items)
    events = _lists(calls.events)
    make_endpoint = _asks(calls.make_endpoint)
    endpoints = _lists(calls.endpoints)
    delete_endpoint = _asks(calls.delete_endpoint)
    deliveries = _lists(calls.deliveries)
    proof = _asks(calls.proof)
    findings = _lists(calls.findings)
    close_finding = _asks(calls.close_finding)


class AsyncClient:
    """The same, awaited."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        retries: Retries = _PATIENT,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.token = token
        self._base_url = _base_of(base_url)
        self._retries = retries
        self._http = http or httpx.AsyncClient(cookies=no_cookies())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def do(self, call: Call[T]) -> T:
        """Make a call, again and again while that is safe and may help."""
        arguments = _request(self._base_url, self.token, call)
        with _building():
            request = self._http.build_request(**arguments)
        for attempt in count(1):
            outcome = await self._outcome(request)
            pause_s = self._retries.pause_s(call, outcome, attempt)
            if pause_s is None:
                break
            await asyncio.sleep(pause_s)
        return _result(call, outcome)

    async def all(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        """Everything of a list, page after page."""
        while True:
            page = await self.do(call)
            for thing in page["data"]:
                yield thing
            if page["next_cursor"] is None:
                return
            call = call.after(page["next_cursor"])

    async def sign_in(self, email: str, password: str) -> Tokens:
        """Begin a session; its access token is sent from now on."""
        tokens = await self.login(email, password)
        self.token = tokens["access_token"]
        return tokens

    async def _outcome(self, request: httpx.Request) -> Outcome:
        try:
            return await self._http.send(request)
        except (httpx.RequestError, ValueError) as error:
            return _failed(request, error)

    register = _asks_async(calls.register)
    login = _asks_async(calls.login)
    refresh = _asks_async(calls.refresh)
    me = _asks_async(calls.me)
    open_wallet = _asks_async(calls.open_wallet)
    wallet = _asks_async(calls.wallet)
    wallets = _lists_async(calls.wallets)
    entries = _lists_async(calls.entries)
    deposit = _asks_async(calls.deposit)
    withdraw = _asks_async(calls.withdraw)
    make_transfer = _asks_async(calls.make_transfer)
    transfer = _asks_async(calls.transfer)
    transfers = _lists_async(calls.transfers)
    receipt = _asks_async(calls.receipt)
    make_batch = _asks_async(calls.make_batch)
    batch = _asks_async(calls.batch)
    batch_items = _lists_async(calls.batch_items)
    events = _lists_async(calls.events)
    make_endpoint = _asks_async(calls.make_endpoint)
    endpoints = _lists_async(calls.endpoints)
    delete_endpoint = _asks_async(calls.delete_endpoint)
    deliveries = _lists_async(calls.deliveries)
    proof = _asks_async(calls.proof)
    findings = _lists_async(calls.findings)
    close_finding = _asks_async(calls.close_finding)


def address_of(url: str, field: str) -> str:
    """The URL, once it is known to be one that paths can follow.

    Raises:
        CallInvalid: it is none; ``field`` is where it was given.
    """
    try:
        parsed = httpx.URL(url)
        urlsplit(url)  # refuses half an IPv6 address, which httpx would ask the network for
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise CallInvalid(field, str(error)) from None
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.fragment:
        raise CallInvalid(field, "must be an address such as https://pay.example.com")
    return url


def _base_of(url: str) -> str:
    if not url:
        return url  # paths follow the ``base_url`` of one's own ``http``
    if "?" in address_of(url, "base_url"):
        raise CallInvalid("base_url", "must have no query")
    return url.rstrip("/")


def _request(base_url: str, token: str, call: Call[Any]) -> dict[str, Any]:
    """The arguments of httpx for a call.

    Raises:
        CallInvalid: the body is no JSON, or the token is none.
    """
    if not (isinstance(token, str) and token.isascii() and token.isprintable()):
        raise CallInvalid("token", "must be printable ASCII")
    return {
        "method": call.method,
        "url": f"{base_url}{call.path}",
        "params": dict(call.query),
        "content": call.content,
        "headers": call.headers | ({"Authorization": f"Bearer {token}"} if token else {}),
        "timeout": call.timeout_s,
    }


@contextmanager
def _building() -> Iterator[None]:
    """What httpx can make no request of is the caller's mistake."""
    try:
        yield
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise CallInvalid("request", f"cannot be sent: {error}") from error


def _failed(request: httpx.Request, error: httpx.RequestError | ValueError) -> httpx.RequestError:
    """The error as an outcome, unless it was found before the request was sent.

    Raises:
        CallInvalid: such as a header of one's own ``http`` that is none.
    """
    if not isinstance(error, httpx.RequestError):  # of a header that leads to another request
        return httpx.RemoteProtocolError(str(error), request=request)
    is_ours = isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol)
    if is_ours and error.request is request:  # and not one to which an answer has led
        raise CallInvalid("request", f"cannot be sent: {error}") from error
    return error


def _result(call: Call[T], outcome: Outcome) -> T:
    """The answer's JSON, or what stands in its place as an error."""
    if isinstance(outcome, httpx.RequestError):
        reason = f"{call.method} {call.path}: {outcome or type(outcome).__name__}"
        raise Unanswered(printable(reason), call.key) from outcome
    if not outcome.is_success:
        raise problem_of(outcome)
    try:
        return cast(T, call.parse(outcome.content))
    except ValueError as error:
        reason = f"{call.method} {call.path}: {outcome.status_code}, and the body {error}"
        raise Unanswered(reason, call.key) from None
