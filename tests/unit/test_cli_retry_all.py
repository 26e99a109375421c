"""``payflow transfers retry --all``: signed in for as long as it takes, and honest at its end."""

import json
from collections.abc import Callable, Iterator

import httpx
import pytest
from rich.console import Console

from cli.errors import CliError
from cli.transfers import LOGIN, OperatorClient, SignIn, retry_all

WHO = SignIn("http://payflow.test", "olivia@example.com", "correct horse battery")
Api = Callable[[httpx.Request], httpx.Response]


def transfers(count: int) -> list[dict[str, str]]:
    return [{"id": f"trf_{number}"} for number in range(count)]


def answer(status: int, **said: object) -> httpx.Response:
    return httpx.Response(status, json=said)


def client_of(api: Api) -> OperatorClient:
    return OperatorClient(WHO, transport=httpx.MockTransport(api))


class ShortTokens:
    """An API whose access tokens are good for three requests."""

    def __init__(self) -> None:
        self.logins = 0
        self.left = 0
        self.retried: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == LOGIN:
            assert json.loads(request.content)["email"] == WHO.email
            assert "Authorization" not in request.headers
            self.logins, self.left = self.logins + 1, 3
            return answer(200, access_token=f"token-{self.logins}")
        if self.left == 0 or request.headers["Authorization"] != f"Bearer token-{self.logins}":
            return answer(401, detail="The access token has expired.", code="token_expired")
        self.left -= 1
        self.retried.append(request.url.path.split("/")[3])
        return answer(200, object="transfer")


def test_a_token_that_ends_is_renewed() -> None:
    api = ShortTokens()
    with client_of(api) as client:
        swept = retry_all(client, transfers(10), "a test", Console(quiet=True))
    assert (swept.done, swept.exit_code) == (10, 0)
    assert api.retried == [one["id"] for one in transfers(10)]
    assert api.logins == 4


def test_who_may_not_sign_in_again_is_refused_and_not_asked_for_ever() -> None:
    asked: list[str] = []

    def api(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path == LOGIN and len(asked) == 1:
            return answer(200, access_token="token")
        return answer(401, detail="This account is deactivated.", code="account_deactivated")

    with client_of(api) as client:
        swept = retry_all(client, transfers(1), "a test", Console(quiet=True))
    assert (swept.done, swept.exit_code) == (0, 1)
    assert asked == [LOGIN, "/v1/transfers/trf_0/retry", LOGIN]


@pytest.fixture
def half() -> Iterator[OperatorClient]:
    def api(request: httpx.Request) -> httpx.Response:
        if request.url.path == LOGIN:
            return answer(200, access_token="token")
        if "trf_1" in request.url.path:
            return answer(409, detail="It is paused.", code="transfer_paused")
        if "trf_2" in request.url.path:
            raise httpx.ConnectError("away", request=request)
        return answer(200, object="transfer")

    with client_of(api) as client:
        yield client


@pytest.mark.parametrize(("count", "done", "exit_code"), [(1, 1, 0), (2, 1, 1), (3, 1, 2)])
def test_the_exit_code_is_that_of_the_worst(
    half: OperatorClient, count: int, done: int, exit_code: int
) -> None:
    swept = retry_all(half, transfers(count), "a test", Console(quiet=True))
    assert (swept.done, swept.exit_code) == (done, exit_code)
    summary, *lines = swept.told().splitlines()
    assert summary == f"{done} retried, {count - done} refused."
    assert len(lines) == count - done
    if count > 1:
        assert lines[0] == "  trf_1: It is paused. (transfer_paused)"


def test_a_wrong_password_is_said_once() -> None:
    def api(_: httpx.Request) -> httpx.Response:
        return answer(401, detail="The email or password is wrong.", code="invalid_credentials")

    with pytest.raises(CliError, match="is wrong") as refused:
        client_of(api).__enter__()
    assert refused.value.exit_code == 1
