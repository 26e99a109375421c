"""Operators' verbs over HTTP and from the command line: foreseen, approved, refused, on record."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from typer.testing import CliRunner, Result

from cli.main import app
from cli.stack import EmbeddedStack
from temporal import names
from temporal.search_attributes import SearchAttributesDiffer, missing_search_attributes
from tests.e2e.auditing import Database, check_the_books, check_the_sums
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email
from tests.e2e.conftest import new_operator

VOUCHED = {
    "leg": "credit",
    "outcome": "settled_outside",
    "evidence": "bank reference 42",
    "reason": "the bank paid it by hand",
}


@pytest.fixture
def stack(single: EmbeddedStack) -> EmbeddedStack:
    """One layout is enough: the verbs' paths through Temporal are the same in both."""
    return single


async def ask(bank: Bank, who: Person, transfer: Json, verb: str, **body: object) -> Json:
    path = f"/v1/transfers/{transfer['id']}/{verb}"
    answer = await bank.ask("POST", path, who, body={"reason": "a test says so", **body})
    return {"http": answer.status_code, **answer.json()}


async def test_from_the_preview_to_the_second_operator(
    bank: Bank, operator: Person, stack: EmbeddedStack, database: Database
) -> None:
    second = await new_operator(stack, bank)
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    await bank.rehearse(operator, {"step": "credit", "failure_type": "error", "failure_rate": 1})
    sent = await bank.send(alice, bob, 100)
    await bank.until(alice, sent["id"], "debited")

    assert (await ask(bank, alice, sent, "resolve", **VOUCHED))["code"] == "operator_required"
    assert (await ask(bank, operator, sent, "resolve"))["code"] == "validation_error"
    refund_not_done = {**VOUCHED, "leg": "refund", "outcome": "not_done"}
    assert (await ask(bank, operator, sent, "resolve", **refund_not_done))["http"] == 422
    refund = {**VOUCHED, "leg": "refund"}
    assert (await ask(bank, operator, sent, "resolve", **refund))["code"] == "leg_not_pending"

    foreseen = await ask(bank, operator, sent, "refund", dry_run=True)
    assert [one["key"].split(":")[1] for one in foreseen["entries"]] == ["credit", "refund"]
    assert (await bank.transfer(alice, sent["id"]))["status"] == "debited"

    paused = await ask(bank, operator, sent, "pause")
    assert (paused["http"], paused["status"]) == (200, "debited")
    assert (await ask(bank, operator, sent, "retry"))["code"] == "transfer_paused"
    assert (await ask(bank, operator, sent, "resume"))["http"] == 200

    # a day later nobody may remember what it was about: the same call proposes it anew
    old = {**VOUCHED, "evidence": "an old letter"}
    assert (await ask(bank, operator, sent, "resolve", **old))["approval"] == "pending"
    aged = {"$set": {"at": datetime.now(UTC) - timedelta(hours=24, minutes=1)}}  # noqa: TID251
    await database.operator_acts.update_one({"evidence": old["evidence"]}, aged)
    assert (await ask(bank, second, sent, "resolve", **old))["approval"] == "pending"

    proposed = await ask(bank, operator, sent, "resolve", **VOUCHED)
    assert (proposed["http"], proposed["approval"]) == (202, "pending")
    again = await ask(bank, operator, sent, "resolve", **VOUCHED)
    assert again["code"] == "second_operator_required"
    approved = await ask(bank, second, sent, "resolve", **VOUCHED)
    assert (approved["http"], approved["status"]) == (200, "completed")
    assert (await ask(bank, operator, sent, "refund"))["code"] == "transfer_terminal"
    await bank.end_rehearsal(operator)

    assert (await bank.balance(alice), await bank.balance(bob)) == (900, 0)
    await check_the_sums(database)
    await check_the_books(database)
    acts = await database.operator_acts.find({"transfer_id": sent["id"]}).sort("at").to_list()
    lapsed, *acts = acts
    assert (lapsed["verb"], lapsed["outcome"]) == ("resolve", "lapsed")
    assert [(one["verb"], one["outcome"]) for one in acts] == [
        ("pause", "paused"),
        ("resume", "running"),
        ("resolve", "approval_pending"),
        ("resolve", "approved"),
        ("resolve", "completed"),
    ]
    assert (acts[3]["operator"], acts[3]["approved_by"]) == (operator.user_id, second.user_id)
    assert acts[4]["approval_of"] == acts[3]["_id"]
    lines = await database.audit.find({"subject_id": sent["id"]}).to_list()
    outcomes = {one["outcome"] for one in lines}
    assert {"second_operator_required", "transfer_paused", "transfer_terminal"} <= outcomes
    assert "begun" not in outcomes


async def test_the_command_line(bank: Bank, stack: EmbeddedStack) -> None:
    email = new_email("operator")
    made = await asyncio.to_thread(
        run, stack, None, "operator", "create", "--email", email, "--password", PASSWORD
    )
    assert made.exit_code == 0, made.output
    login = await bank.ask("POST", "/v1/auth/login", body={"email": email, "password": PASSWORD})
    operator = Person("", login.json()["access_token"])
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    await bank.rehearse(operator, {"step": "credit", "failure_type": "error", "failure_rate": 1})
    sent = [await bank.send(alice, bob, 100) for _ in range(2)]
    for one in sent:
        while not (await bank.transfer(alice, one["id"]))["needs_attention"]:
            await asyncio.sleep(0.2)

    async def cli(*words: str) -> Result:
        return await asyncio.to_thread(run, stack, email, "transfers", *words)

    listed = await cli("list", "--parked")
    assert all(one["id"] in listed.output for one in sent), listed.output
    assert "needs attention" in (await cli("show", sent[0]["id"])).output
    assert (await cli("refund", sent[0]["id"])).exit_code == 2  # no reason
    foreseen = await cli("refund", sent[0]["id"], "--reason", "a test", "--dry-run")
    assert f"+100  {alice.wallet_id}" in foreseen.output
    refunded = await cli("refund", sent[0]["id"], "--reason", "a test")
    assert "given back" in refunded.output, refunded.output
    ended = await cli("refund", sent[0]["id"], "--reason", "a test")
    assert (ended.exit_code, "transfer_terminal" in ended.output) == (1, True)

    assert (
        "span of time"
        in (await cli("retry", "--all", "--older-than", "x", "--reason", "a test")).output
    )
    young = await cli("retry", "--all", "--older-than", "10m", "--reason", "a test", "--yes")
    assert "No parked transfer is that old" in young.output
    foreseen = await cli("retry", "--all", "--reason", "a test", "--dry-run")
    assert "1 would be retried" in foreseen.output, foreseen.output
    await bank.end_rehearsal(operator)
    swept = await cli("retry", "--all", "--reason", "a test", "--yes")
    assert "1 retried, 0 refused" in swept.output, swept.output
    assert (await bank.ended(alice, sent[1]["id"]))["status"] == "completed"


def run(stack: EmbeddedStack, email: str | None, *words: str) -> Result:
    env = {"PAYFLOW_MONGO_URL": stack.addresses.mongo_url, "COLUMNS": "200"}
    if email is not None:
        env |= {"PAYFLOW_EMAIL": email, "PAYFLOW_PASSWORD": PASSWORD}
        words = (*words, "--api-url", stack.addresses.api_url)
    return CliRunner(env=env).invoke(app, list(words))


async def test_a_search_attribute_of_another_type_is_told(
    stack: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporal = await Client.connect(stack.addresses.temporal_address)
    assert await missing_search_attributes(temporal) == []
    other = (SearchAttributeKey.for_bool(names.STATE.name),)
    monkeypatch.setattr(names, "SEARCH_ATTRIBUTES", other)
    with pytest.raises(SearchAttributesDiffer, match="is Keyword and must be Bool"):
        await missing_search_attributes(temporal)
