"""Somebody writes past PayFlow, for a moment: the running stack finds it, and is right again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymongo import AsyncMongoClient

from cli.proof import run_pass
from cli.stack import EmbeddedStack
from payflow.settings import Settings
from payflow.storage.identity import SystemClock
from temporal.client import connect
from tests.e2e.bank import Bank, Json, Person
from tests.e2e.pages import highest, read_pages


@asynccontextmanager
async def one_cent_more(stack: EmbeddedStack, wallet_id: str) -> AsyncIterator[None]:
    """The wallet says a cent more than its entries, until it is put back."""
    client: AsyncMongoClient[Json] = AsyncMongoClient(stack.addresses.mongo_url)
    async with client:
        wallets = client["payflow"].wallets
        await wallets.update_one({"_id": wallet_id}, {"$inc": {"balance": 1}})
        try:
            yield
        finally:
            await wallets.update_one({"_id": wallet_id}, {"$inc": {"balance": -1}})


async def proved(stack: EmbeddedStack) -> str:
    """A pass at once, by a worker; what it came to."""
    settings = Settings(temporal_address=stack.addresses.temporal_address)
    return (await run_pass(await connect(settings))).status


async def right_again(stack: EmbeddedStack, bank: Bank, operator: Person, wallet_id: str) -> None:
    """Putting it back is a change as well; what was found is closed, and the wallet is thawed."""
    assert await proved(stack) == "violated"
    async with asyncio.timeout(120):  # two full passes, on a busy machine
        while await proved(stack) != "ok":
            await close_findings(bank, operator)
    thawed = await bank.ask("POST", f"/v1/wallets/{wallet_id}/unfreeze", operator)
    assert thawed.status_code == 200


async def close_findings(bank: Bank, operator: Person) -> None:
    """Close every open finding, as an operator does."""
    path = "/v1/proof/findings"
    found = (await bank.ask("GET", f"{path}?status=open&limit=100", operator)).json()["data"]
    for one in found:
        body = {"reason": "put back"}
        closed = await bank.ask("POST", f"{path}/{one['id']}/close", operator, body=body)
        assert closed.status_code == 200, closed.text


@asynccontextmanager
async def an_open_finding(stack: EmbeddedStack, finding_id: str) -> AsyncIterator[None]:
    """A finding on record of nothing, that no pass has seen."""
    client: AsyncMongoClient[Json] = AsyncMongoClient(stack.addresses.mongo_url)
    async with client:
        findings = client["payflow"].proof_findings
        about = {"invariant": "changes_have_entries", "subject_id": finding_id, "detail": "none"}
        seen = {"first_proof": 1, "last_proof": 1, "found_at": SystemClock().now()}
        await findings.insert_one(
            {"_id": finding_id, "status": "open", "wallet_ids": [], **about, **seen}
        )
        try:
            yield
        finally:
            await findings.delete_one({"_id": finding_id})


async def while_violated(stack: EmbeddedStack, bank: Bank, operator: Person) -> str:
    """What the processes show while the proof is violated."""
    mallory = await bank.funded(1_000)
    async with one_cent_more(stack, mallory.wallet_id):
        assert await proved(stack) == "violated"
        async with asyncio.timeout(30):
            while highest(page := await read_pages(stack))["payflow_proof_violations"] < 1:
                await asyncio.sleep(1)
    await right_again(stack, bank, operator, mallory.wallet_id)
    return page
