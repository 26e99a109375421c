"""Keys that users choose come back as sent, by every way in and out, and are never a store's."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from bson.raw_bson import RawBSONDocument

from cli.stack import EmbeddedStack
from payflow.domain.invariants import Invariant
from payflow.proof.books import findings_in
from tests.e2e.auditing import Database
from tests.e2e.bank import Bank, Json, Person, new_key, order
from tests.e2e.conservation import proved
from tests.e2e.listening import listening
from tests.e2e.test_events import feed_of
from tests.e2e.test_receipts import sealed
from tests.webhooks.receivers import receiver

REFERENCE = {"$ref": "x", "$id": "y"}
HOSTILE = {
    **REFERENCE,
    "$db": "z",
    "$set": "{}",
    "$where": "1",
    "$oid": "0",
    "$numberLong": "1",
    "$date": "2026-01-01",
    "$": "",
    ".": "",
    "a.b": "$a.b",
    "a.$[].b": "$$ROOT",
    "_id": "i",
    "__proto__": "p",
    "constructor": "c",
    "hash": "0",
    "zu\u0308ric\u0301h \U0001f600": "last, and not sorted",
    "A": "first",
}


@pytest.fixture
def stack(single: EmbeddedStack) -> EmbeddedStack:
    """One layout is enough: a document's form does not depend on the process."""
    return single


async def put(bank: Bank, who: Person, path: str, body: Json) -> httpx.Response:
    return await bank.ask("POST", path, who, body=body, headers={"Idempotency-Key": new_key()})


async def sent(
    bank: Bank, payer: Person, payee: Person, metadata: dict[str, str]
) -> dict[str, Json]:
    """A transfer by each way in."""
    body = {**order(payer, payee, 1), "metadata": metadata}
    single = await put(bank, payer, "/v1/transfers", body)
    assert single.status_code in (201, 202), single.text
    batch = await put(bank, payer, "/v1/batches", {"mode": "atomic", "transfers": [body]})
    assert batch.status_code == 202, batch.text
    cells = [str(body[name]) for name in body if name != "metadata"]
    quoted = json.dumps(metadata).replace('"', '""')
    csv = f'{",".join(body)}\n{",".join(cells)},"{quoted}"\n'
    table = await bank.client.post(
        f"{bank.urls[0]}/v1/batches?mode=independent",
        content=csv.encode(),
        headers={**payer.headers, "Idempotency-Key": new_key(), "Content-Type": "text/csv"},
    )
    assert table.status_code == 202, table.text
    found = {"single": single.json()}
    for name, answer in (("batch", batch), ("table", table)):
        items = await bank.ask("GET", f"/v1/batches/{answer.json()['id']}/items", payer)
        assert items.status_code == 200, items.text
        found[name] = items.json()["data"][0]["transfer"]
    return found


def texts(metadata: dict[str, str]) -> list[tuple[str, str]]:
    """In the order in which they came."""
    return list(metadata.items())


@pytest.mark.parametrize("metadata", [REFERENCE, HOSTILE], ids=["reference", "all"])
async def test_user_keys_come_back_as_sent_everywhere(
    bank: Bank, stack: EmbeddedStack, operator: Person, metadata: dict[str, str]
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    async with (
        receiver() as subscriber,
        listening(stack.addresses.api_url, "/v1/events/stream", bob) as stream,
    ):
        endpoint = {"url": subscriber.url, "event_types": ["transfer.completed"]}
        made = await bank.ask("POST", "/v1/webhook-endpoints", bob, body=endpoint)
        subscriber.secret = made.json()["secret"]
        ways = await sent(bank, alice, bob, metadata)
        for one in ways.values():
            assert texts(one["metadata"]) == texts(metadata)
            ended = await bank.ended(alice, one["id"])
            assert ended["status"] == "completed"
            assert texts(ended["metadata"]) == texts(metadata)
        streamed = [one.body for one in await stream.next(9)]  # debited, credited, completed
        async with asyncio.timeout(20):
            while len(subscriber.requests) < len(ways):
                await asyncio.sleep(0.1)
    delivered = [one.event for one in subscriber.requests if one.event is not None]
    assert len(delivered) == len(ways)
    listed = await feed_of(bank, bob, until=9)
    for event in (*streamed, *delivered, *listed):
        assert texts(event["data"]["metadata"]) == texts(metadata)
    for who in (alice, bob, operator):
        page = await bank.ask("GET", "/v1/transfers?limit=3", who)
        assert page.status_code == 200, page.text
        mine = [one for one in page.json()["data"] if one["source_wallet_id"] == alice.wallet_id]
        assert [texts(one["metadata"]) for one in mine] == [texts(metadata)] * 3
    for one in ways.values():
        receipt = await sealed(bank, alice, one["id"])
        assert texts(receipt["transfer"]["metadata"]) == texts(metadata)
        timeline = await bank.ask("GET", f"/v1/transfers/{one['id']}/timeline", alice)
        assert timeline.status_code == 200, timeline.text


async def test_user_keys_are_field_names_in_no_collection(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    marked = {f"{key} mark": "" for key in HOSTILE} | HOSTILE
    alice, bob = await bank.funded(100), await bank.person("bob")
    for one in (await sent(bank, alice, bob, marked)).values():
        await bank.ended(alice, one["id"])
    assert await proved(stack) == "ok"
    chained = (Invariant.FEED_CHAIN_HOLDS, Invariant.FEED_TELLS_THE_JOURNAL)
    assert await findings_in(database, chained) == []
    raw = database.client.get_database(
        database.name,
        codec_options=database.codec_options.with_options(document_class=RawBSONDocument),
    )
    for name in await database.list_collection_names():
        async for document in raw[name].find({}):
            chosen = [key for key in _names(document) if key.startswith("$") or key in marked]
            assert [key for key in chosen if key not in ("_id", "hash")] == [], name


def _names(value: Any) -> list[str]:
    """The names of all fields of a document, at any depth."""
    if isinstance(value, RawBSONDocument):
        return [key for name, one in value.items() for key in (name, *_names(one))]
    return [key for one in value for key in _names(one)] if isinstance(value, list) else []
