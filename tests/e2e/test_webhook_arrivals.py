"""Events leave the house: from transfers over HTTP to signed requests at real listeners."""

import asyncio
from collections import defaultdict

from tests.e2e.auditing import Database, check_the_books
from tests.e2e.bank import Bank, Json, Person
from tests.webhooks.post import verified
from tests.webhooks.receivers import Receiver, receiver

TRANSFERS = 6
STATES = ("initiated", "debited", "credited", "completed")
EVENTS = len(STATES) * TRANSFERS


async def hanging(*_: object) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


async def test_each_event_arrives_though_one_subscriber_hangs(
    bank: Bank, database: Database
) -> None:
    payer, payee = await bank.funded(1_000), await bank.person("bob")
    async with receiver() as good, receiver(hanging) as stuck:
        healthy, silent = await _endpoint(bank, payer, good), await _endpoint(bank, payer, stuck)
        sent = await asyncio.gather(
            *(bank.send(payer, payee, 1, wait_s=20) for _ in range(TRANSFERS))
        )
        assert {transfer["status"] for transfer in sent} == {"completed"}
        await _recorded(database, healthy, EVENTS, {"status": "succeeded"})
        await _recorded(database, silent, EVENTS, {})
        await _recorded(database, silent, 1, {"attempts.0": {"$exists": True}})
        assert not await _count(database, silent, {"status": "succeeded"})

    sequences: dict[str, set[int]] = defaultdict(set)
    for request in good.requests:
        event = verified(request, healthy["secret"])
        assert request.headers["webhook-id"] == event["id"]
        sequences[event["data"]["id"]].add(event["sequence"])
    assert sequences == {transfer["id"]: {1, 2, 3, 4} for transfer in sent}
    await check_the_books(database)


async def _endpoint(bank: Bank, who: Person, at: Receiver) -> Json:
    """An endpoint for the events of transfers, with its secret."""
    body = {"url": at.url, "event_types": [f"transfer.{state}" for state in STATES]}
    answer = await bank.ask("POST", "/v1/webhook-endpoints", who, body=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def _count(database: Database, endpoint: Json, wanted: Json) -> int:
    found = {"endpoint_id": endpoint["id"], **wanted}
    return await database.webhook_deliveries.count_documents(found)


async def _recorded(database: Database, endpoint: Json, count: int, wanted: Json) -> None:
    """Return when so many deliveries to the endpoint are on record like that."""
    async with asyncio.timeout(30):
        while await _count(database, endpoint, wanted) < count:
            await asyncio.sleep(0.1)
