"""What leans on what: without Temporal transfers wait, without Redis nothing is missed."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest

from cli.stack import EmbeddedStack
from payflow.domain.errors import WorkflowCannotRun
from payflow.domain.repairs import RepairOrder, Verb
from payflow.settings import Settings
from payflow.storage.mapping import to_transfer
from temporal.client import connect
from temporal.sagas import TemporalSagas
from tests.e2e.auditing import Database, check_the_books
from tests.e2e.bank import Bank, Person, new_key, order
from tests.e2e.gaps import held_before


@asynccontextmanager
async def without(stack: EmbeddedStack, name: str) -> AsyncIterator[None]:
    """The stack while one of its servers is away."""
    await stack.take_down(name)
    try:
        yield
    finally:
        await stack.bring_up(name)


@contextmanager
def unheard_failures() -> Iterator[list[dict[str, Any]]]:
    """What asyncio would log: failures that nobody took."""
    unheard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    try:
        yield unheard
    finally:
        loop.set_exception_handler(None)


@pytest.mark.chaos
async def test_without_temporal_transfers_are_accepted_and_complete_later(
    bank: Bank, stack: EmbeddedStack, database: Database, operator: Person
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    async with without(stack, "temporal"):
        accepted = [
            await bank.ask(
                "POST",
                "/v1/transfers",
                alice,
                body=order(alice, bob, 10),
                headers={"Idempotency-Key": new_key()},
            )
            for _ in range(3)
        ]
        assert [answer.status_code for answer in accepted] == [202] * 3
        ready = await bank.ask("GET", "/health/ready")
        assert ready.status_code == 200
        named = {check["name"]: check["status"] for check in _checks(ready)}
        assert named["temporal"] != "ok"
        assert named["mongo"] == "ok"
        silent = await bank.verb(operator, accepted[0].json()["id"], "pause")
        assert (silent.status_code, silent.json()["code"]) == (409, "workflow_cannot_run")
    for answer in accepted:
        assert (await bank.ended(alice, answer.json()["id"]))["status"] == "completed"
    assert await bank.balance(bob) == 30
    await check_the_books(database)


@pytest.mark.chaos
@pytest.mark.parametrize("stack", ["single"], indirect=True)
async def test_a_verb_that_meets_no_temporal_leaves_no_unheard_failure_behind(
    bank: Bank, stack: EmbeddedStack, operator: Person, database: Database
) -> None:
    alice, _, sent = await held_before(bank, operator, "credit", "debited")
    found = await database.transfers.find_one({"_id": sent["id"]})
    assert found is not None
    pause = RepairOrder(Verb.PAUSE, operator.user_id, "temporal is away", "act_1")
    settings = Settings(temporal_address=stack.addresses.temporal_address)
    sagas = TemporalSagas(await connect(settings), park_after_s=10)
    with unheard_failures() as unheard:
        async with without(stack, "temporal"):
            with pytest.raises(WorkflowCannotRun):
                await sagas.repair(to_transfer(found), pause)
        gc.collect()
        await asyncio.sleep(0)
        assert unheard == []
    await bank.end_rehearsal(operator)
    assert (await bank.ended(alice, sent["id"]))["status"] == "completed"


@pytest.mark.chaos
async def test_without_redis_money_moves_and_answers_are_waited_for(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    async with without(stack, "redis"):
        for _ in range(5):
            paid = await bank.send(alice, bob, 10, wait_s=20)
            assert paid["status"] == "completed"
        ready = await bank.ask("GET", "/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert await bank.balance(bob) == 50


@pytest.mark.chaos
async def test_without_mongodb_nothing_is_accepted_and_nothing_is_said_of_it(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    headers = {"Idempotency-Key": new_key()}
    body = order(alice, bob, 10)
    async with without(stack, "mongod"):
        refused = await bank.ask("POST", "/v1/transfers", alice, body=body, headers=headers)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["code"] in ("temporarily_unavailable", "outcome_unknown")
        assert "mongo" not in refused.text.lower()
        assert (await bank.ask("GET", "/health/ready")).status_code == 503
        assert (await bank.ask("GET", "/health/live")).status_code == 200
    paid = await bank.send(alice, bob, 10, key=headers["Idempotency-Key"], wait_s=20)
    assert paid["status"] == "completed"
    assert await bank.balance(bob) == 10
    await check_the_books(database)


@pytest.mark.chaos
async def test_a_key_outlives_a_restart_of_everything_and_a_flushed_redis(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    key = new_key()
    first = await bank.send(alice, bob, 10, key=key, wait_s=20)
    names = list(stack.names)
    for name in reversed(names):
        await stack.take_down(name)
    for name in names:
        await stack.bring_up(name)  # redis keeps nothing on disk: it comes back empty
    assert await bank.send(alice, bob, 10, key=key, wait_s=20) == first
    other = await bank.insist("POST", "/v1/transfers", alice, body=order(alice, bob, 11), key=key)
    assert other.json()["code"] == "idempotency_key_reused"
    assert await bank.balance(bob) == 10


@pytest.mark.chaos
@pytest.mark.parametrize("stack", ["pair"], indirect=True)
async def test_without_workers_transfers_wait_and_a_verb_says_so(
    bank: Bank, stack: EmbeddedStack, operator: Person
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    async with without(stack, "worker"), without(stack, "worker-2"):
        waiting = await bank.send(alice, bob, 10)
        for verb in ("retry", "refund"):
            silent = await bank.verb(operator, waiting["id"], verb)
            assert (silent.status_code, silent.json()["code"]) == (409, "workflow_cannot_run")
        assert (await bank.transfer(alice, waiting["id"]))["status"] == "initiated"
    await bank.ended(alice, waiting["id"])
    fine = await bank.send(alice, bob, 10, wait_s=20)
    assert fine["status"] == "completed"


def _checks(ready: httpx.Response) -> list[dict[str, str]]:
    checks = ready.json()["dependencies"]
    return [{"name": name, **check} for name, check in checks.items()]
