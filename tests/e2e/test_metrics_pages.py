"""What the dashboard and the alerts ask for is what a running stack shows, and it moves."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.stack import EmbeddedStack
from payflow.observability import names
from tests.e2e.bank import Bank, Person, bank_of, new_email
from tests.e2e.conftest import new_operator
from tests.e2e.conservation import while_violated
from tests.e2e.pages import highest, read_pages
from tests.webhooks.receivers import OK, answering, receiver, status

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
DASHBOARD = DEPLOY / "grafana" / "payflow.json"
NAME = re.compile(r"\b(?:payflow|temporal|process)_[a-z_]+\b")
LABELS = {label for metric in names.ALL for label in metric.labels}
AT_ONCE = 40
# where overload is not looked for there is none: tests/unit/test_metrics.py moves these
ONLY_UNDER_LOAD = {names.OVERLOADED, names.REQUESTS_BORNE}
ONLY_WHEN_SOMETHING_IS_WRONG = {
    names.DEPENDENCY_BLOCKED.name,  # tests/doctor/test_blocked_reads.py
    names.UNREADABLE.name,  # tests/e2e/test_unreadable.py
    names.TASK_FAILURES.name,  # the same
}


@pytest.fixture
async def bank(pair: EmbeddedStack) -> AsyncIterator[Bank]:
    async with bank_of(pair) as opened:
        yield opened


@pytest.fixture
async def operator(pair: EmbeddedStack, bank: Bank) -> Person:
    return await new_operator(pair, bank)


def asked_for() -> set[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", ())]
    return {name for text in (*queries, RULES.read_text()) for name in NAME.findall(text)}


async def test_what_is_asked_for_is_there_and_moves(
    pair: EmbeddedStack, bank: Bank, operator: Person
) -> None:
    alice, bob = await bank.funded(100_000), await bank.person("bob")
    while_parked = await parked(pair, bank, operator, alice, bob)
    await all_kinds_of_ends(bank, operator, alice, bob)
    await told_twice(bank, alice)
    await too_many_guesses(bank)
    after = await read_pages(pair)

    found = highest(while_parked, after)

    wanted = asked_for() | {
        f"{m.name}_count" if m.kind is names.Kind.HISTOGRAM else m.name
        for m in names.ALL
        if m not in ONLY_UNDER_LOAD
    }
    wanted -= ONLY_WHEN_SOMETHING_IS_WRONG
    assert len(wanted) > 30
    assert {name for name in wanted if not found[name] > 0} == set()


async def parked(
    stack: EmbeddedStack, bank: Bank, operator: Person, alice: Person, bob: Person
) -> str:
    """What is shown while a transfer waits for an operator."""
    rule = {"step": "credit", "failure_type": "error", "failure_rate": 1}
    await bank.rehearse(operator, rule)
    sent = await bank.send(alice, bob, 1)
    async with asyncio.timeout(60):
        while not (await bank.transfer(alice, sent["id"]))["needs_attention"]:
            await asyncio.sleep(0.2)
        while highest(page := await read_pages(stack))["payflow_transfers_parked"] < 1:
            await asyncio.sleep(1)
    page = await while_violated(stack, bank, operator)
    await bank.end_rehearsal(operator)
    assert (await bank.verb(operator, sent["id"], "retry")).status_code == 200
    await bank.ended(alice, sent["id"])
    return page


async def all_kinds_of_ends(bank: Bank, operator: Person, alice: Person, bob: Person) -> None:
    """Completed by the dozen into one wallet, refused, compensated; a wallet frozen and thawed."""
    # two workers on one wallet conflict, though not with each group
    await asyncio.gather(*(bank.send(alice, bob, 1, wait_s=20) for _ in range(AT_ONCE)))
    assert (await bank.send(alice, bob, 10**9, wait_s=20))["status"] == "failed"
    rule = {"step": "credit", "failure_type": "reject", "failure_rate": 1}
    await bank.rehearse(operator, rule)
    assert (await bank.send(alice, bob, 1, wait_s=20))["refunded"]
    await bank.end_rehearsal(operator)
    for act in ("freeze", "unfreeze"):
        done = await bank.ask("POST", f"/v1/wallets/{bob.wallet_id}/{act}", operator)
        assert done.status_code == 200


async def too_many_guesses(bank: Bank) -> None:
    """A limit that is used up: the sixth wrong password."""
    body = {"email": new_email("alice"), "password": "not the password"}
    answers = [await bank.ask("POST", "/v1/auth/login", body=body) for _ in range(6)]
    assert answers[-1].status_code == 429


async def told_twice(bank: Bank, who: Person) -> None:
    """A subscriber that fails once and takes an event."""
    async with receiver(answering(status(500), OK)) as subscriber:
        body = {"url": subscriber.url, "event_types": ["*"]}
        made = await bank.ask("POST", "/v1/webhook-endpoints", who, body=body)
        at = f"/v1/webhook-endpoints/{made.json()['id']}"
        for _ in range(2):
            assert (await bank.ask("POST", f"{at}/test", who)).is_success
        async with asyncio.timeout(30):
            while '"succeeded"' not in (await bank.ask("GET", f"{at}/deliveries", who)).text:
                await asyncio.sleep(0.1)
        await bank.ask("DELETE", at, who)


async def test_a_route_is_counted_by_its_template(pair: EmbeddedStack, bank: Bank) -> None:
    alice = await bank.person()
    await bank.balance(alice)
    await bank.ask("GET", "/v1/somewhere/else/entirely")

    page = await read_pages(pair)

    assert 'route="/v1/wallets/{wallet_id}"' in page
    assert 'route="(no route)",status="404"' in page
    for text in (alice.wallet_id, alice.user_id, "entirely"):
        assert text not in page


async def test_every_process_says_the_same_of_the_books(pair: EmbeddedStack) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for name, url in pair.metrics_urls.items():
            page = (await client.get(url)).text
            assert "payflow_transfers_parked " in page, name
            assert 'payflow_dependency_up{dependency="mongo"} 1.0' in page, name


def test_each_alert_says_what_is_wrong() -> None:
    text = RULES.read_text()
    assert text.count("- alert:") == text.count("summary:") == text.count("severity:")


def test_a_query_asks_for_labels_that_are_there() -> None:
    by = re.findall(r"(?:by|ignoring) \(([a-z_, ]+)\)", RULES.read_text() + DASHBOARD.read_text())
    asked = {label.strip() for group in by for label in group.split(",")}
    assert asked <= LABELS | {"le", "operation", "worker_type", "workflow_type", "activity_type"}
