"""The proof of a running stack: found by a stranger to be signed, and right until it is not."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from api.proof_page import CONTENT_SECURITY_POLICY
from cli.stack import EmbeddedStack
from tests.contracts.proving import verify
from tests.e2e.bank import Bank, Person
from tests.e2e.conservation import one_cent_more, proved, right_again
from tests.webhooks.receivers import Receiver, receiver

EVENTS = "/v1/events?type=proof.violated"


@pytest.fixture
def stack(pair: EmbeddedStack) -> EmbeddedStack:
    """Two APIs, two workers and a relay apart."""
    return pair


@pytest.fixture
async def alarm() -> AsyncIterator[Receiver]:
    """Where an operator wants to be told."""
    async with receiver() as one:
        yield one


async def test_money_on_its_way_by_two_workers_is_no_violation(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(10_000), await bank.person("bob")
    first = await bank.first_proof()
    for _ in range(3):
        sent = [await bank.send(alice, bob, 10) for _ in range(5)]
        assert await proved(stack) == "ok"
        for one in sent:
            await bank.ended(alice, one["id"])
    last = (await bank.ask("GET", "/v1/proof")).json()

    assert last["transfers_checked"] >= first["transfers_checked"] + 15
    chain = (await bank.ask("GET", "/v1/proofs?limit=3")).json()["data"]
    jwks = (await bank.ask("GET", "/v1/proof/keys")).json()["keys"]
    for newer, older in pairwise(chain):
        verify(newer, jwks, older["hash"])
        assert newer["number"] == older["number"] + 1


async def test_a_cent_more_is_found_frozen_told_and_shown(
    bank: Bank, operator: Person, stack: EmbeddedStack, alarm: Receiver
) -> None:
    alice = await bank.funded(1_000)
    made = await bank.ask(
        "POST",
        "/v1/webhook-endpoints",
        operator,
        body={"url": alarm.url, "event_types": ["proof.violated"]},
    )
    assert made.status_code == 201, made.text
    alarm.secret = made.json()["secret"]
    async with one_cent_more(stack, alice.wallet_id):
        assert await proved(stack) == "violated"
        proof = (await bank.ask("GET", "/v1/proof")).json()
        page = await bank.ask("GET", "/proof")
        wallet = (await bank.ask("GET", f"/v1/wallets/{alice.wallet_id}", alice)).json()
    async with asyncio.timeout(30):  # the relay gives it its place
        events = f"{EVENTS}&limit=100"
        while proof["hash"] not in (await bank.ask("GET", events, operator)).text:
            await asyncio.sleep(0.1)
        while not any(proof["hash"] in str(one.event) for one in alarm.requests):
            await asyncio.sleep(0.1)  # signed, as the stock verifier found when it came
    untold = await bank.ask("GET", EVENTS, alice)
    await right_again(stack, bank, operator, alice.wallet_id)

    assert alice.wallet_id in {one["subject_id"] for one in proof["violations"]}
    assert alice.wallet_id in page.text
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert wallet["status"] == "frozen"
    assert untold.json()["data"] == []
