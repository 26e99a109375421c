"""Many at once: one key is one transfer, one purse is spent once."""

import asyncio
import os
from collections import Counter

import pytest

from tests.e2e.auditing import Database, check_the_books
from tests.e2e.bank import Bank, new_key, order

PURSE = 500 if os.environ.get("PAYFLOW_STORM") == "long" else 80


@pytest.mark.parametrize(("stack", "posts"), [("pair", 200), ("single", 50)], indirect=["stack"])
async def test_many_posts_of_one_key_make_one_transfer(
    bank: Bank, database: Database, posts: int
) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    headers = {"Idempotency-Key": new_key()}
    body = order(alice, bob, 10)
    answers = await asyncio.gather(
        *(
            bank.ask("POST", "/v1/transfers", alice, body=body, headers=headers)
            for _ in range(posts)
        )
    )
    assert {answer.status_code for answer in answers} <= {201, 202}
    (transfer_id,) = {answer.json()["id"] for answer in answers}
    replayed = Counter(answer.headers.get("Idempotent-Replayed") for answer in answers)
    assert replayed == {None: 1, "true": posts - 1}
    assert await database.journal.count_documents({"idempotency.user_id": alice.user_id}) == 2
    other = await bank.ask(
        "POST", "/v1/transfers", alice, body=order(alice, bob, 11), headers=headers
    )
    assert other.status_code == 422
    assert (await bank.ended(alice, transfer_id))["status"] == "completed"
    assert await bank.balance(bob) == 10


@pytest.mark.parametrize(("stack", "posts"), [("pair", 200), ("single", 50)], indirect=["stack"])
async def test_many_deposits_of_one_key_are_one_deposit(bank: Bank, posts: int) -> None:
    alice = await bank.person()
    headers = {"Idempotency-Key": new_key()}
    path = f"/v1/wallets/{alice.wallet_id}/deposits"
    body = {"amount": 100, "currency": "USD"}
    answers = await asyncio.gather(
        *(bank.ask("POST", path, alice, body=body, headers=headers) for _ in range(posts))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await bank.balance(alice) == 100


@pytest.mark.parametrize(("stack", "purse"), [("pair", PURSE), ("single", 50)], indirect=["stack"])
async def test_a_purse_and_twice_as_many_transfers_of_1(
    bank: Bank, database: Database, purse: int
) -> None:
    alice, bob = await bank.funded(purse), await bank.person("bob")
    limit = asyncio.Semaphore(100)

    async def pay() -> str:
        async with limit:
            return str((await bank.send(alice, bob, 1))["id"])

    sent = await asyncio.gather(*(pay() for _ in range(2 * purse)))
    assert len(set(sent)) == 2 * purse
    async with asyncio.timeout(120):
        while await database.transfers.count_documents(
            {"_id": {"$in": sent}, "status": {"$nin": ["completed", "failed"]}}
        ):
            await asyncio.sleep(0.2)
    ended = await database.transfers.find({"_id": {"$in": sent}}).to_list()
    assert Counter((t["status"], (t["failure"] or {}).get("code")) for t in ended) == {
        ("completed", None): purse,
        ("failed", "insufficient_funds"): purse,
    }
    assert (await bank.balance(alice), await bank.balance(bob)) == (0, purse)
    await check_the_books(database)


async def test_withdrawals_at_once_do_not_overdraw(bank: Bank, database: Database) -> None:
    alice = await bank.funded(100)
    path = f"/v1/wallets/{alice.wallet_id}/withdrawals"
    answers = await asyncio.gather(
        *(
            bank.ask(
                "POST",
                path,
                alice,
                body={"amount": 10, "currency": "USD"},
                headers={"Idempotency-Key": new_key()},
            )
            for _ in range(20)
        )
    )
    codes = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert codes == {(201, None): 10, (409, "insufficient_funds"): 10}
    assert await bank.balance(alice) == 0
    await check_the_books(database)
