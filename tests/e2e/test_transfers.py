"""Money moves end to end, and the books say so, whichever process serves."""

import asyncio

import pytest

from tests.e2e.auditing import Database, check_the_books, check_the_sums
from tests.e2e.bank import Bank, Person, new_key, order


async def test_one_pays_the_other(bank: Bank, database: Database) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    paid = await bank.send(alice, bob, 250, wait_s=20)
    assert paid["status"] == "completed"
    assert paid["workflow_id"] == f"transfer/{paid['id']}"
    assert (await bank.balance(alice), await bank.balance(bob)) == (750, 250)
    assert await bank.kinds(alice) == ["deposit", "debit"]
    assert await bank.kinds(bob) == ["credit"]
    await check_the_sums(database)


async def test_a_lack_of_funds_is_an_outcome(bank: Bank) -> None:
    alice, bob = await bank.funded(99), await bank.person("bob")
    failed = await bank.send(alice, bob, 100, wait_s=20)
    assert failed["status"] == "failed"
    assert failed["failure"]["code"] == "insufficient_funds"
    assert not failed["refunded"]
    assert await bank.kinds(alice) == ["deposit"]
    enough = await bank.send(alice, bob, 99, wait_s=20)
    assert enough["status"] == "completed"


async def test_a_destination_frozen_after_the_debit_is_refunded(
    bank: Bank, operator: Person, database: Database
) -> None:
    alice, bob = await bank.funded(500), await bank.person("bob")
    await bank.rehearse(operator, {"step": "credit", "failure_type": "error", "failure_rate": 1})
    sent = await bank.send(alice, bob, 500)
    await bank.until(alice, sent["id"], "debited")
    frozen = await bank.ask("POST", f"/v1/wallets/{bob.wallet_id}/freeze", operator)
    assert frozen.status_code == 200, frozen.text
    await bank.end_rehearsal(operator)
    ended = await bank.ended(alice, sent["id"])
    assert (ended["status"], ended["refunded"]) == ("failed", True)
    assert ended["failure"]["code"] == "destination_unavailable"
    assert await bank.kinds(alice) == ["deposit", "debit", "refund"]
    assert await bank.balance(alice) == 500
    await check_the_sums(database)


async def test_a_source_frozen_in_transit_gets_its_money_back(bank: Bank, operator: Person) -> None:
    alice, bob = await bank.funded(500), await bank.person("bob")
    hold = {"step": "credit", "failure_type": "error", "failure_rate": 1}
    await bank.rehearse(operator, hold)
    sent = await bank.send(alice, bob, 500)
    await bank.until(alice, sent["id"], "debited")
    for who in (alice, bob):
        await bank.ask("POST", f"/v1/wallets/{who.wallet_id}/freeze", operator)
    await bank.end_rehearsal(operator)
    ended = await bank.ended(alice, sent["id"])
    assert ended["refunded"]
    wallet = (await bank.ask("GET", f"/v1/wallets/{alice.wallet_id}", alice)).json()
    assert (wallet["balance"], wallet["status"]) == (500, "frozen")
    refused = await bank.send(alice, bob, 1, wait_s=20)
    assert refused["failure"]["code"] == "wallet_frozen"
    await bank.ask("POST", f"/v1/wallets/{alice.wallet_id}/unfreeze", operator)
    again = await bank.send(alice, bob, 1, wait_s=20)
    assert again["failure"]["code"] == "destination_unavailable"


@pytest.mark.parametrize("step", ["debit", "credit", "post"])
@pytest.mark.parametrize("phase", ["before", "after"])
async def test_a_step_that_times_out_has_one_effect(
    bank: Bank, operator: Person, database: Database, step: str, phase: str
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    rule = {"step": step, "failure_type": "timeout", "failure_rate": 1, "phase": phase}
    await bank.rehearse(operator, rule)
    sent = await bank.send(alice, bob, 100)
    landed = phase == "after"
    reached = {"debit": "initiated", "credit": "debited", "post": "credited"}[step]
    if landed:
        reached = {"debit": "debited", "credit": "credited", "post": "completed"}[step]
    await bank.until(alice, sent["id"], reached)
    await bank.end_rehearsal(operator)
    ended = await bank.ended(alice, sent["id"])
    assert ended["status"] == "completed"
    assert (await bank.balance(alice), await bank.balance(bob)) == (0, 100)
    await check_the_books(database)


async def test_a_parked_transfer_is_found_and_repaired(
    bank: Bank, operator: Person, database: Database
) -> None:
    hold = {"step": "credit", "failure_type": "error", "failure_rate": 1}
    alice, bob = await bank.funded(300), await bank.person("bob")
    await bank.rehearse(operator, hold)
    sent = [await bank.send(alice, bob, 100) for _ in range(2)]
    for one in sent:
        await bank.until(alice, one["id"], "debited")
        nothing = await bank.verb(alice, one["id"], "refund")
        assert nothing.status_code == 403
    async with asyncio.timeout(60):
        while True:
            listed = await bank.ask("GET", "/v1/transfers?needs_attention=true", operator)
            if {one["id"] for one in sent} <= {t["id"] for t in listed.json()["data"]}:
                break
    refunded = await bank.verb(operator, sent[0]["id"], "refund")
    assert refunded.status_code == 200, refunded.text
    assert (await bank.ended(alice, sent[0]["id"]))["failure"]["code"] == "cancelled_by_operator"
    await bank.end_rehearsal(operator)
    retried = await bank.verb(operator, sent[1]["id"], "retry")
    assert retried.status_code == 200, retried.text
    done = await bank.ended(alice, sent[1]["id"])
    assert (done["status"], done["needs_attention"]) == ("completed", False)
    for verb in ("retry", "refund"):
        late = await bank.verb(operator, sent[1]["id"], verb)
        assert late.status_code == 409, late.text
    assert (await bank.balance(alice), await bank.balance(bob)) == (200, 100)
    acts = await database.audit.find({"subject_id": sent[0]["id"]}).to_list()
    assert [(act["verb"], act["actor_id"]) for act in acts] == [("refund", operator.user_id)]
    await check_the_books(database)


async def test_a_rehearsed_rejection_is_compensated(bank: Bank, operator: Person) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    await bank.rehearse(operator, {"step": "credit", "failure_type": "reject", "failure_rate": 1})
    rejected = await bank.send(alice, bob, 100, wait_s=20)
    await bank.end_rehearsal(operator)
    assert rejected["failure"]["code"] == "credit_rejected"
    assert rejected["refunded"]
    fine = await bank.send(alice, bob, 100, wait_s=20)
    assert fine["status"] == "completed"


async def test_close_waits_for_money_under_way(bank: Bank, operator: Person) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    close = f"/v1/wallets/{alice.wallet_id}/close"
    assert (await bank.ask("POST", close, operator)).json()["code"] == "wallet_in_use"
    await bank.rehearse(operator, {"step": "credit", "failure_type": "error", "failure_rate": 1})
    sent = await bank.send(alice, bob, 100)
    await bank.until(alice, sent["id"], "debited")
    assert await bank.balance(alice) == 0
    under_way = await bank.ask("POST", close, operator)
    assert (under_way.status_code, under_way.json()["code"]) == (409, "wallet_in_use")
    await bank.end_rehearsal(operator)
    await bank.ended(alice, sent["id"])
    assert (await bank.ask("POST", close, operator)).json()["status"] == "closed"
    refused = await bank.send(alice, bob, 1, wait_s=20)
    assert refused["failure"]["code"] == "wallet_closed"


async def test_a_key_holds_for_ever_and_stands_for_one_body(bank: Bank) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    key = new_key()
    body = order(alice, bob, 100)
    headers = {"Idempotency-Key": key, "Prefer": "wait=20"}
    first = await bank.ask("POST", "/v1/transfers", alice, body=body, headers=headers)
    again = await bank.ask("POST", "/v1/transfers", alice, body=body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await bank.ask(
        "POST", "/v1/transfers", alice, body=order(alice, bob, 101), headers=headers
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = await bank.ask(
        "POST",
        f"/v1/wallets/{alice.wallet_id}/deposits",
        alice,
        body={"amount": 100, "currency": "USD"},
        headers=headers,
    )
    assert elsewhere.status_code == 422
    assert await bank.balance(alice) == 900


async def test_a_key_whose_transfer_failed_answers_with_that_failure(bank: Bank) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    key = new_key()
    failed = await bank.send(alice, bob, 100, key=key, wait_s=20)
    await bank.deposit(alice, 1_000)
    assert await bank.send(alice, bob, 100, key=key, wait_s=20) == failed


async def test_a_refused_request_leaves_its_key_free(bank: Bank) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    key = {"Idempotency-Key": new_key()}
    wrong = order(alice, bob, 100) | {"currency": "EUR"}
    refused = await bank.ask("POST", "/v1/transfers", alice, body=wrong, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (422, "currency_mismatch")
    right = await bank.ask("POST", "/v1/transfers", alice, body=order(alice, bob, 100), headers=key)
    assert right.status_code in (201, 202)
