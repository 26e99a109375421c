"""Batches end to end: each mode, replays, refusals, cancelling, and a kill in the middle."""

import asyncio
from collections import Counter

import httpx
import pytest

from cli.stack import EmbeddedStack
from tests.e2e.auditing import Database, check_the_books, check_the_sums
from tests.e2e.bank import Bank, Json, Person, new_key, order
from tests.e2e.test_crashes import kill_all, victims

CSV = {"Content-Type": "text/csv"}


def batch(mode: str, *transfers: Json) -> Json:
    return {"mode": mode, "transfers": list(transfers)}


async def post(
    bank: Bank, who: Person, body: Json, *, key: str = "", path: str = "/v1/batches"
) -> httpx.Response:
    return await bank.ask(
        "POST", path, who, body=body, headers={"Idempotency-Key": key or new_key()}
    )


async def made(bank: Bank, who: Person, body: Json) -> Json:
    answer = await post(bank, who, body)
    assert answer.status_code == 202, answer.text
    found: Json = answer.json()
    assert answer.headers["location"] == f"/v1/batches/{found['id']}"
    return found


async def ended(bank: Bank, who: Person, batch_id: str) -> Json:
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await bank.ask("GET", f"/v1/batches/{batch_id}", who)
                if answer.is_success and answer.json()["status"] != "processing":
                    found: Json = answer.json()
                    return found
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)


async def ends(bank: Bank, who: Person, batch_id: str) -> list[str]:
    """How each item ended, in order, read page by page."""
    found: list[str] = []
    cursor = ""
    while True:
        path = f"/v1/batches/{batch_id}/items?limit=100{cursor}"
        page = (await bank.ask("GET", path, who)).json()
        for item in page["data"]:
            assert item["index"] == len(found)
            assert item["transfer"]["workflow_id"] == f"batch/{batch_id}"
            failure = item["transfer"]["failure"]
            found.append(failure["code"] if failure else item["transfer"]["status"])
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_independent_items_go_each_their_own_way(bank: Bank, database: Database) -> None:
    alice, bob = await bank.funded(10_000), await bank.person("bob")
    items = [order(alice, bob, 1) for _ in range(300)]
    items[17]["amount"] = 1_000_000
    sent = await made(bank, alice, batch("independent", *items))
    assert sent["counts"] == {"total": 300, "completed": 0, "failed": 0, "pending": 300}
    done = await ended(bank, alice, sent["id"])
    assert done["status"] == "completed" and done["completed_at"]
    assert done["counts"] == {"total": 300, "completed": 299, "failed": 1, "pending": 0}
    how = await ends(bank, alice, sent["id"])
    assert how[17] == "insufficient_funds"
    assert Counter(how) == {"completed": 299, "insufficient_funds": 1}
    assert (await bank.balance(alice), await bank.balance(bob)) == (9_701, 299)
    await check_the_books(database)


async def test_the_first_failure_stops_the_rest(bank: Bank, database: Database) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    items = [order(alice, bob, amount) for amount in (10, 20, 500, 30, 40)]
    sent = await made(bank, alice, batch("stop_on_error", *items))
    await ended(bank, alice, sent["id"])
    assert await ends(bank, alice, sent["id"]) == [
        *("completed", "completed", "insufficient_funds"),
        *("batch_stopped", "batch_stopped"),
    ]
    assert await bank.balance(bob) == 30
    await check_the_books(database)


async def test_an_atomic_batch_is_all_or_none(bank: Bank, database: Database) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    good = await made(bank, alice, batch("atomic", *(order(alice, bob, 10) for _ in range(5))))
    assert (await ended(bank, alice, good["id"]))["status"] == "completed"
    assert (await bank.balance(alice), await bank.balance(bob)) == (50, 50)
    items = [order(alice, bob, amount) for amount in (30, 10, 30)]
    bad = await made(bank, alice, batch("atomic", *items))
    assert (await ended(bank, alice, bad["id"]))["status"] == "failed"
    how = await ends(bank, alice, bad["id"])
    assert how == ["batch_rejected", "batch_rejected", "insufficient_funds"]
    assert (await bank.balance(alice), await bank.balance(bob)) == (50, 50)
    assert await bank.kinds(bob) == ["credit"] * 5
    await check_the_books(database)


async def test_one_key_is_one_batch(bank: Bank, database: Database) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    key = new_key()
    body = batch("independent", *(order(alice, bob, 1) for _ in range(3)))
    answers = await asyncio.gather(*(post(bank, alice, body, key=key) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    (batch_id,) = {answer.json()["id"] for answer in answers}
    replayed = Counter(answer.headers.get("idempotent-replayed") for answer in answers)
    assert replayed == {None: 1, "true": 9}
    other = await post(bank, alice, {**body, "mode": "atomic"}, key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    single = await post(bank, alice, order(alice, bob, 1), key=key, path="/v1/transfers")
    assert (single.status_code, single.json()["code"]) == (422, "idempotency_key_reused")
    await ended(bank, alice, batch_id)
    assert await bank.balance(bob) == 3
    assert await database.batches.count_documents({"owner_id": alice.user_id}) == 1


async def test_a_batch_that_may_not_be_names_its_items_and_leaves_nothing(
    bank: Bank, database: Database
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    key = new_key()
    fine = order(alice, bob, 1)
    for wrong, status, code, field in [
        (order(bob, alice, 1), 404, "wallet_not_found", "source_wallet_id"),
        (
            {**fine, "destination_wallet_id": "wal_X"},
            404,
            "destination_not_found",
            "destination_wallet_id",
        ),
        ({**fine, "currency": "EUR"}, 422, "currency_mismatch", "currency"),
        (order(alice, alice, 1), 422, "same_wallet", "destination_wallet_id"),
        ({**fine, "amount": 0}, 422, "validation_error", "amount"),
        ({**fine, "idempotency_key": "x"}, 422, "validation_error", "idempotency_key"),
    ]:
        answer = await post(bank, alice, batch("independent", fine, wrong), key=key)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert [one["field"] for one in answer.json()["errors"]] == [f"transfers[1].{field}"]
    assert await database.transfers.count_documents({"payer_id": alice.user_id}) == 0
    assert (await post(bank, alice, batch("independent", fine), key=key)).status_code == 202


async def test_csv_is_taken_and_a_bad_line_refuses_the_file(bank: Bank) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    lines = ["source_wallet_id,destination_wallet_id,amount,currency"]
    lines += [f"{alice.wallet_id},{bob.wallet_id},{amount},USD" for amount in (1, 2, 3)]
    url = f"{bank.urls[0]}/v1/batches?mode=atomic"

    async def upload(content: str) -> httpx.Response:
        headers = {**alice.headers, **CSV, "Idempotency-Key": new_key()}
        return await bank.client.post(url, content=content, headers=headers)

    sent = await upload("\n".join(lines))
    assert (sent.status_code, sent.json()["mode"]) == (202, "atomic"), sent.text
    await ended(bank, alice, sent.json()["id"])
    assert await bank.balance(bob) == 6
    refused = await upload("\n".join([*lines, f"{alice.wallet_id},{bob.wallet_id},1.5,USD"]))
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == "transfers[3].amount" and error["message"].startswith("line 5: ")
    assert await bank.balance(bob) == 6


async def test_only_its_owner_sees_and_cancels_a_batch(bank: Bank, operator: Person) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    hold = {"step": "debit", "failure_type": "error", "failure_rate": 1}
    await bank.rehearse(operator, hold)
    sent = await made(bank, alice, batch("independent", *(order(alice, bob, 1) for _ in range(5))))
    path = f"/v1/batches/{sent['id']}"
    for method, where in [("GET", path), ("GET", f"{path}/items"), ("POST", f"{path}/cancel")]:
        assert (await bank.ask(method, where, bob)).status_code == 404
    cancelled = await bank.ask("POST", f"{path}/cancel", alice)
    assert cancelled.status_code == 200
    assert cancelled.json()["counts"] == {"total": 5, "completed": 0, "failed": 5, "pending": 0}
    await bank.end_rehearsal(operator)
    assert await ends(bank, alice, sent["id"]) == ["cancelled"] * 5
    assert (await bank.ask("POST", f"{path}/cancel", alice)).status_code == 200
    assert await bank.balance(alice) == 100


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("stack", "role", "amount", "status"),
    [("pair", "worker", 1, "completed"), ("single", "serve", 10_000, "failed")],
    indirect=["stack"],
)
async def test_kill_9_inside_the_transaction_of_an_atomic_batch(
    bank: Bank,
    database: Database,
    stack: EmbeddedStack,
    role: str,
    amount: int,
    status: str,
) -> None:
    alice, bob = await bank.funded(10_000), await bank.person("bob")
    items = [order(alice, bob, 1) for _ in range(3_000)]
    items[2_999]["amount"] = amount
    sent = await made(bank, alice, batch("atomic", *items))
    while not await transactions_that_have_written(database):
        await asyncio.sleep(0.005)
    await kill_all(stack, role)
    mine = {"batch_id": sent["id"]}
    assert await database.transfers.distinct("status", mine) == ["initiated"]  # caught inside
    await check_the_sums(database)
    done = await ended(bank, alice, sent["id"])
    assert done["status"] == status
    moved = 3_000 if status == "completed" else 0
    assert done["counts"]["completed"] == moved
    assert (await bank.balance(alice), await bank.balance(bob)) == (10_000 - moved, moved)
    legs = {"origin.workflow_id": f"batch/{sent['id']}", "leg": "debit"}
    assert await database.journal.distinct("outcome", legs) == ["applied" if moved else "voided"]
    await check_the_books(database)


async def transactions_that_have_written(database: Database) -> int:
    """Open transactions in which something was written already."""
    found = await database.client.admin.aggregate(
        [
            {"$currentOp": {"idleSessions": True, "allUsers": True}},
            {
                "$match": {
                    "transaction.timeOpenMicros": {"$gt": 50_000},
                    "$or": [
                        {"transaction.timeActiveMicros": {"$gt": 20_000}},
                        {"insert": "journal"},
                    ],
                }
            },
        ]
    )
    return len(await found.to_list())


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("stack", "role"), [("pair", "worker"), ("single", "serve")], indirect=["stack"]
)
async def test_kill_9_in_the_middle_of_a_batch(
    bank: Bank, database: Database, stack: EmbeddedStack, role: str
) -> None:
    alice, bob = await bank.funded(10_000), await bank.person("bob")
    sent = await made(
        bank, alice, batch("independent", *(order(alice, bob, 1) for _ in range(1_500)))
    )
    mine = {"batch_id": sent["id"]}
    while not await database.transfers.count_documents({**mine, "status": "completed"}):
        await asyncio.sleep(0.01)
    pids = {name: stack.kill(name) for name in victims(stack, role)}
    assert await database.transfers.count_documents({**mine, "status": "initiated"})  # the middle
    await check_the_sums(database)
    for name, pid in pids.items():
        await stack.wait_restarted(name, pid)
    done = await ended(bank, alice, sent["id"])
    assert done["counts"]["completed"] == 1_500
    assert (await bank.balance(alice), await bank.balance(bob)) == (8_500, 1_500)
    await check_the_books(database)
