"""The client against the running API: typed answers, iterators, and retries that pay once."""

import asyncio
from contextlib import suppress

import httpx
import pytest

from cli.stack import EmbeddedStack
from payflow.client import (
    AsyncClient,
    Client,
    Conflict,
    Invalid,
    Missing,
    Retries,
    Unanswered,
    Unauthenticated,
)
from tests.e2e.bank import PASSWORD, new_email

SWIFT = Retries(attempts=5, first_pause_s=0.05)


class Lossy(httpx.HTTPTransport):
    """Sends a request, and loses the answers to the first so many transfers."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.keys: list[str] = []
        self._losses = losses

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if request.method == "POST" and request.url.path == "/v1/transfers":
            self.keys.append(request.headers["idempotency-key"])
            if len(self.keys) <= self._losses:
                answer.read()
                answer.close()
                raise httpx.ReadError("the answer was lost", request=request)
        return answer


class LossyAsync(httpx.AsyncHTTPTransport):
    """The same, awaited."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.keys: list[str] = []
        self._losses = losses

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.method == "POST" and request.url.path == "/v1/transfers":
            self.keys.append(request.headers["idempotency-key"])
            if len(self.keys) <= self._losses:
                await answer.aread()
                await answer.aclose()
                raise httpx.ReadError("the answer was lost", request=request)
        return answer


def a_user(client: Client, name: str) -> tuple[str, str]:
    """A new user's address and wallet; the client is theirs from now on."""
    email = new_email(name)
    made = client.register(email=email, password=PASSWORD, name=name.title())
    client.sign_in(email, PASSWORD)
    return email, made["wallet"]["id"]


def pay_and_look(url: str) -> None:
    transport = Lossy(losses=2)
    http = httpx.Client(transport=transport)
    with Client(url) as bob, Client(url, http=http, retries=SWIFT) as alice:
        bob_email, bob_wallet = a_user(bob, "bob")
        _, mine = a_user(alice, "alice")
        alice.deposit(mine, 10_000, "USD", reference="top-up")

        sent = alice.make_transfer(
            source_wallet_id=mine,
            destination_email=bob_email,
            amount=1_250,
            currency="USD",
            metadata={"order": "4711"},
            wait_s=20,
        )

        assert len(transport.keys) == 3
        assert len(set(transport.keys)) == 1
        assert sent["status"] == "completed"
        assert [one["id"] for one in alice.transfers(limit=1)] == [sent["id"]]
        assert bob.wallet(bob_wallet)["balance"] == 1_250
        assert [entry["amount"] for entry in alice.entries(mine, limit=1)] == [-1_250, 10_000]


async def test_a_transfer_whose_answers_are_lost_is_made_once(pair: EmbeddedStack) -> None:
    await asyncio.to_thread(pay_and_look, pair.addresses.api_url)


async def test_the_same_awaited(pair: EmbeddedStack) -> None:
    transport = LossyAsync(losses=1)
    http = httpx.AsyncClient(transport=transport)
    async with AsyncClient(pair.addresses.api_url, http=http, retries=SWIFT) as alice:
        email = new_email("alice")
        mine = (await alice.register(email=email, password=PASSWORD, name="Alice"))["wallet"]["id"]
        await alice.sign_in(email, PASSWORD)
        theirs = (await alice.open_wallet("USD", name="Savings"))["id"]
        await alice.deposit(mine, 100, "USD")

        sent = await alice.make_transfer(
            source_wallet_id=mine,
            destination_wallet_id=theirs,
            amount=40,
            currency="USD",
            wait_s=20,
        )

        assert len(transport.keys) == 2
        assert len(set(transport.keys)) == 1
        assert (await alice.transfer(sent["id"]))["status"] == "completed"
        assert [one["id"] async for one in alice.transfers(limit=1)] == [sent["id"]]
        assert [one["balance"] async for one in alice.wallets(limit=1)] == [40, 60]
        order = {"source_wallet_id": mine, "destination_wallet_id": theirs}
        items = [{**order, "amount": amount, "currency": "USD"} for amount in (1, 2, 3)]
        batch = await alice.make_batch(items)
        found = [
            item["transfer"]["amount"] async for item in alice.batch_items(batch["id"], limit=2)
        ]
        assert found == [1, 2, 3]


def refusals(url: str) -> None:
    with Client(url, retries=SWIFT) as alice:
        with pytest.raises(Unauthenticated, match="authentication_required"):
            alice.me()
        email, mine = a_user(alice, "alice")
        assert alice.me()["email"] == email
        with pytest.raises(Conflict, match="email_taken"):
            alice.register(email=email, password=PASSWORD, name="Alice")
        with pytest.raises(Missing, match="wallet_not_found"):
            alice.wallet("wal_01KDVE0A4Q5J7TP7S8R9VWXYZ1")
        with pytest.raises(Invalid) as refused:
            alice.deposit(mine, 0, "USD")
        assert refused.value.code == "validation_error"
        assert [error["field"] for error in refused.value.errors] == ["amount"]
        made = alice.make_endpoint("https://hooks.example.com/", ["transfer.completed"])
        assert made["secret"].startswith("whsec_")
        assert [one["id"] for one in alice.endpoints()] == [made["id"]]
        alice.delete_endpoint(made["id"])
        assert not list(alice.endpoints())


async def test_a_refusal_is_raised_with_its_code_and_fields(pair: EmbeddedStack) -> None:
    await asyncio.to_thread(refusals, pair.addresses.api_url)


async def test_an_api_that_is_not_there_is_told_with_the_key_to_come_again_with() -> None:
    async with AsyncClient("http://127.0.0.1:9", retries=Retries(2, first_pause_s=0.01)) as alice:
        with pytest.raises(Unanswered) as nobody:
            await alice.deposit("wal_1", 5, "USD", key="order-4711")
        with suppress(Unanswered):
            await alice.me()
    assert nobody.value.idempotency_key == "order-4711"
