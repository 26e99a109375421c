"""Operators sign in with a provider: let in for what it says, refused for all it is not."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from cli.stack import EmbeddedStack
from payflow.domain.ports import Sagas
from payflow.domain.repair_ports import OperatorAct
from payflow.settings import Environment, Settings
from payflow.storage.audit_verification import verify_audit
from payflow.storage.connection import open_client
from payflow.storage.factory import Storage, open_storage
from tests.e2e.bank import PASSWORD, new_email
from tests.e2e.provider import CLIENT_ID, CLIENT_SECRET, Json, Provider, providing

LOGIN, CALLBACK, ME = "/v1/auth/oidc/login", "/v1/auth/oidc/callback", "/v1/auth/me"
DATABASE = "payflow_sign_on"
ACT = OperatorAct("a test", "create_operator", "", "")
NONE: Any = None


@dataclass
class Door:
    """Two apps, which share the database alone, and the provider."""

    apis: list[httpx.AsyncClient]
    provider: Provider
    storage: Storage
    settings: Settings
    apps: list[FastAPI]

    def forget(self) -> None:
        """Ask the provider for its description again."""
        for app in self.apps:
            app.state.parts.sign_on._asked._known = None

    async def depart(self) -> tuple[dict[str, str], str]:
        """What the provider is asked, and the ticket the browser keeps."""
        sent = await self.apis[0].get(LOGIN)
        assert sent.status_code == 302, sent.text
        cookie = sent.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        address = urlsplit(sent.headers["location"])
        assert address.path == "/authorize"
        return dict(parse_qsl(address.query)), cookie.partition(";")[0]

    async def back(self, ticket: str, **query: str) -> httpx.Response:
        """The browser comes back, to the other process."""
        return await self.apis[1].get(CALLBACK, params=query, headers={"Cookie": ticket})

    async def sign_in(
        self, subject: str = "alice", alg: str = "RS256", **claims: Any
    ) -> httpx.Response:
        """A whole visit; ``claims`` bend what the provider says."""
        self.provider.alg, self.provider.claims = alg, {"sub": subject, **claims}
        asked, ticket = await self.depart()
        code = self.provider.authorize(asked)
        return await self.back(ticket, state=asked["state"], code=code, session_state="more")

    async def me(self, answer: httpx.Response) -> Json:
        token = answer.json()["access_token"]
        found = await self.apis[0].get(ME, headers={"Authorization": f"Bearer {token}"})
        assert found.status_code == 200, found.text
        return dict(found.json())


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as one:
        yield one


@pytest.fixture(scope="module")
async def opened(pair: EmbeddedStack, provider: Provider) -> AsyncIterator[Door]:
    settings = Settings(
        env=Environment.TEST,
        data_dir=pair.data_dir,
        mongo_url=pair.addresses.mongo_url,
        redis_url=pair.addresses.redis_url,
        mongo_database=DATABASE,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=SecretStr(CLIENT_SECRET),
        oidc_redirect_url="http://api.example.com" + CALLBACK,
        oidc_operator_value="payflow-operators",
    )
    unused = cast(Sagas, None)  # nothing here starts a saga
    async with AsyncExitStack() as held:
        apis: list[httpx.AsyncClient] = []
        apps: list[FastAPI] = []
        storage = await held.enter_async_context(open_storage(settings))
        for _ in range(2):
            app = create_app(
                settings,
                storage=storage,
                sagas=unused,
                couriers=cast(Any, unused),
                histories=cast(Any, unused),
                probes=(),
            )
            apps.append(app)
            transport = httpx.ASGITransport(app)
            client = httpx.AsyncClient(transport=transport, base_url="http://api.example.com")
            apis.append(await held.enter_async_context(client))
        yield Door(apis, provider, storage, settings, apps)


@pytest.fixture
def door(opened: Door, provider: Provider) -> Door:
    provider.is_down = provider.too_much = False
    provider.claims = {}
    for api in opened.apis:
        api.cookies.clear()
    return opened


def refused(answer: httpx.Response, status: int, code: str, told: str = "") -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert told in answer.json()["detail"]


async def test_an_operator_is_let_in_by_issuer_and_subject_and_is_the_same_ever_after(
    door: Door,
) -> None:
    email = new_email("alice")
    first = await door.sign_in(email=email.upper())
    assert first.status_code == 200, first.text
    made = await door.me(first)
    assert (made["email"], made["role"], made["name"]) == (email, "operator", "Alice")
    renewed = await door.apis[0].post(
        "/v1/auth/refresh", json={"refresh_token": first.json()["refresh_token"]}
    )
    assert renewed.status_code == 200
    for alg in ("ES256", "PS256"):
        again = await door.sign_in(alg=alg, email=new_email("another"))
        assert (await door.me(again))["id"] == made["id"]
    other = await door.sign_in("bob", email=new_email("bob"))
    assert (await door.me(other))["id"] != made["id"]


@pytest.mark.parametrize(
    ("bent", "told"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"iss": "https://evil.example.com"}, "iss"),
        ({"aud": "somebody-else"}, "aud"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "azp"),
        ({"exp": 1_000_000_000}, ""),
        ({"exp": None}, "exp"),
        ({"iat": 4_102_444_800}, ""),
        ({"sub": 7}, ""),
        ({"alg": "none"}, ""),
        ({"alg": "HS256"}, ""),
        ({"alg": "RS384"}, ""),
    ],
    ids=str,
)
async def test_an_id_token_that_does_not_hold_opens_nothing(
    door: Door, bent: Json, told: str
) -> None:
    right = {"email": new_email("carol")}
    refused(
        await door.sign_in(**{"subject": "carol", **right, **_named(bent)}),
        401,
        "sso_token_invalid",
        told,
    )
    assert (await door.sign_in("carol", **right)).status_code == 200


def _named(bent: Json) -> Json:
    return {("subject" if key == "sub" else key): value for key, value in bent.items()}


async def test_a_key_the_provider_does_not_publish_signs_nothing(door: Door) -> None:
    with providing() as stranger:
        own, door.provider.rsa = door.provider.rsa, stranger.rsa
        door.provider.claims = {"sub": "dave", "email": new_email("dave")}
        asked, ticket = await door.depart()
        code = door.provider.authorize(asked)
        signed = door.provider._signed

        def forged(grant: Json) -> str:
            token = signed(grant)
            door.provider.rsa = own  # what is published is not what has signed
            return token

        door.provider._signed = forged  # type: ignore[method-assign]  # for this visit
        answer = await door.back(ticket, state=asked["state"], code=code)
        door.provider._signed = signed  # type: ignore[method-assign]  # as it was
    refused(answer, 401, "sso_token_invalid")
    assert (await door.sign_in("dave", email=new_email("dave"))).status_code == 200


async def test_a_state_is_good_once_in_one_browser_and_so_is_a_code(door: Door) -> None:
    door.provider.alg, door.provider.claims = "RS256", {"sub": "erin", "email": new_email("erin")}
    asked, ticket = await door.depart()
    code = door.provider.authorize(asked)
    mine = {"state": asked["state"], "code": code}
    refused(await door.back(ticket, state="another", code=code), 401, "sso_state_invalid")
    refused(await door.back("", **mine), 401, "sso_state_invalid")
    refused(await door.back("payflow_sso=another", **mine), 401, "sso_state_invalid")
    assert (await door.back(ticket, **mine)).status_code == 200
    refused(await door.back(ticket, **mine), 401, "sso_state_invalid")
    asked, ticket = await door.depart()
    refused(await door.back(ticket, state=asked["state"], code=code), 401, "sso_refused")
    asked, ticket = await door.depart()
    late = {"$set": {"expires_at": door.storage.clock.now()}}
    async with open_client(door.settings) as client:
        await client[DATABASE]["sign_on_visits"].update_many({}, late)
    refused(await door.back(ticket, state=asked["state"], code="x"), 401, "sso_state_invalid")


async def test_what_the_provider_says_instead_of_a_code_is_told(door: Door) -> None:
    asked, ticket = await door.depart()
    answer = await door.back(ticket, state=asked["state"], error="access_denied")
    refused(answer, 401, "sso_refused", "access_denied")
    asked, ticket = await door.depart()
    answer = await door.back(ticket, state=asked["state"], error="<script>")
    refused(answer, 401, "sso_refused", "no code")
    asked, ticket = await door.depart()
    mixed = {"state": asked["state"], "code": "x", "iss": "https://evil.example.com"}
    refused(await door.back(ticket, **mixed), 401, "sso_token_invalid", "iss")
    refused(await door.back(ticket, code="x"), 422, "validation_error")


async def test_who_is_no_operator_any_more_is_one_nowhere(door: Door) -> None:
    email = new_email("frank")
    for groups in (["staff"], None, "payflow-operators-not", {"payflow-operators": 1}):
        refused(await door.sign_in("frank", email=email, groups=groups), 403, "sso_not_operator")
    assert await door.storage.accounts.find_by_email(email) is None
    let_in = await door.sign_in("frank", email=email, groups="payflow-operators")
    made = await door.me(let_in)
    refused(await door.sign_in("frank", email=email, groups=[]), 403, "sso_not_operator")
    assert (await door.storage.accounts.get(made["id"])).role == "user"
    spent = {"refresh_token": let_in.json()["refresh_token"]}
    refused(await door.apis[0].post("/v1/auth/refresh", json=spent), 401, "refresh_token_revoked")
    assert (await door.me(await door.sign_in("frank", email=email)))["role"] == "operator"


async def test_an_address_opens_an_account_only_when_both_sides_know_whose_it_is(
    door: Door,
) -> None:
    """A stranger may have registered it here, or claimed it there."""
    taken, own, unverified = [new_email("grace") for _ in range(3)]
    body = {"email": taken, "password": PASSWORD, "name": "Mallory"}
    assert (await door.apis[0].post("/v1/auth/register", json=body)).status_code == 201
    refused(await door.sign_in("grace", email=taken), 409, "email_taken")
    for verified in (False, None, "true"):
        answer = await door.sign_in("grace", email=unverified, email_verified=verified)
        refused(answer, 403, "sso_email_unverified")
    refused(await door.sign_in("grace", email="nonsense"), 403, "sso_email_unverified")
    made = await door.storage.accounts.create_operator(
        email=own, password_hash="x", name="Grace", act=ACT
    )
    assert (await door.me(await door.sign_in("grace", email=own)))["id"] == made.id


async def test_a_deactivated_operator_stays_out(door: Door) -> None:
    email = new_email("heidi")
    made = await door.me(await door.sign_in("heidi", email=email))
    await door.storage.accounts.set_active(made["id"], active=False)
    refused(await door.sign_in("heidi", email=email), 401, "account_deactivated")
    await door.storage.accounts.set_active(made["id"], active=True)
    assert (await door.sign_in("heidi", email=email)).status_code == 200


async def test_without_the_provider_the_answer_is_503_and_soon(door: Door) -> None:
    door.provider.claims = {"sub": "ivan", "email": new_email("ivan")}
    asked, ticket = await door.depart()
    code = door.provider.authorize(asked)
    for trouble in ("is_down", "too_much"):
        door.forget()
        setattr(door.provider, trouble, True)
        answer = await door.apis[0].get(LOGIN)
        refused(answer, 503, "sso_unavailable")
        assert answer.headers["retry-after"]
        setattr(door.provider, trouble, False)
    door.provider.is_down = True
    refused(await door.back(ticket, state=asked["state"], code=code), 503, "sso_unavailable")
    door.provider.is_down = False
    assert (await door.sign_in("ivan", email=new_email("ivan"))).status_code == 200


async def test_who_came_is_on_record_and_the_record_is_sealed(door: Door) -> None:
    email = new_email("judy")
    await door.sign_in("judy", email=email, groups=[])
    made = await door.me(await door.sign_in("judy", email=email))
    await door.sign_in("judy", email=email)  # the same role again is no act
    await door.sign_in("judy", email=email, groups=[])
    await door.sign_in("judy", email=email)
    async with open_client(door.settings) as client:
        lines = client[DATABASE]["audit"].find({"reason": {"$regex": "as judy$"}}).sort("_id", 1)
        told = [(line["verb"], line["outcome"], line["subject_id"]) async for line in lines]
        nobody = told[0][2]
        assert sorted(told) == sorted(
            [
                ("sign_in", "sso_not_operator", nobody),
                ("sign_in", "done", nobody),
                ("create_operator", "done", made["id"]),
                ("sign_in", "done", made["id"]),
                ("sign_in", "sso_not_operator", made["id"]),
                ("demote", "done", made["id"]),
                ("sign_in", "done", made["id"]),
                ("promote", "done", made["id"]),
            ]
        )
        assert (await verify_audit(client, DATABASE)).findings == []
