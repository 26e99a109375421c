"""One document that cannot be read stops nothing but itself: every collection, every field."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from temporalio.client import Client

from cli.doctor.examination import examine
from cli.doctor.rows import Row, Verdict
from cli.stack import EmbeddedStack
from payflow.settings import Settings
from payflow.storage.documents import DOCUMENTS
from payflow.storage.identity import SystemClock
from payflow.storage.misfits import misfits, name_of
from tests.conftest import ALL_IN_ONE, stack_in
from tests.e2e.auditing import Database, books_of
from tests.e2e.bank import Bank, Json, Person, bank_of, new_key, order
from tests.e2e.conftest import new_operator
from tests.e2e.conservation import proved
from tests.e2e.listening import listening
from tests.e2e.spoiling import ONE_OF_A_KIND, Spoilt, fields_of, spoil_all, ways
from tests.e2e.test_batches import batch, made
from tests.e2e.test_receipts import sealed
from tests.webhooks.receivers import Receiver, receiver

BOOKS = ("journal", "feed", "wallets", "transfers")
HELD_BY_LOOPS = {"transfers", "webhook_endpoints"}  # met again and again, whatever is asked for
COLLECTIONS = sorted(name_of(one) for one in DOCUMENTS if name_of(one) not in ONE_OF_A_KIND)


@dataclass
class Spoilings:
    """A stack in whose books every collection has documents that cannot be read."""

    stack: EmbeddedStack
    bank: Bank
    database: Database
    operator: Person
    carol: Person  # the one whose documents are spoilt
    subscriber: Receiver
    stood_still: Json
    pid: int
    proof: Json
    spoilt: list[Spoilt] = field(default_factory=list)

    def of(self, collection: str) -> list[Spoilt]:
        return [one for one in self.spoilt if one.collection == collection]


@pytest.fixture(scope="module")
async def spoilings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Spoilings]:
    async with (
        stack_in(tmp_path_factory.mktemp("unreadable"), ALL_IN_ONE) as stack,
        bank_of(stack) as bank,
        books_of(stack) as database,
        receiver() as subscriber,
    ):
        operator = await new_operator(stack, bank)
        made_of = await lived(stack, bank, database, operator, subscriber)
        made_of.spoilt += [one async for one in spoil_all(database)]
        await bank.deposit(made_of.carol, 1)  # an event for her endpoints, which cannot be read
        yield made_of


async def lived(
    stack: EmbeddedStack, bank: Bank, database: Database, operator: Person, subscriber: Receiver
) -> Spoilings:
    """A life that leaves a document in every collection whose documents a test can make."""
    carol, dave = await bank.funded(1_000), await bank.person("dave")
    endpoint = {"url": subscriber.url, "event_types": ["*"]}
    await post(bank, "/v1/webhook-endpoints", carol, endpoint)
    await post(bank, "/v1/api-keys", carol, {"name": "shop", "scopes": ["transfers:read"]})
    await bank.rehearse(operator, {"step": "credit", "failure_type": "error", "failure_rate": 1})
    stood_still = await bank.send(carol, dave, 1)
    parked = await bank.send(carol, dave, 1)
    await bank.until(carol, parked["id"], "debited")
    async with asyncio.timeout(30):
        while not await database.timelines.find_one({"_id": parked["id"]}):
            await asyncio.sleep(0.1)
        assert (await bank.verb(operator, parked["id"], "pause")).status_code == 200
    await bank.end_rehearsal(operator)
    for _ in range(10):  # as many events and audit links as are spoilt
        await bank.deposit(carol, 1)
        for act in ("freeze", "unfreeze"):
            path = f"/v1/wallets/{dave.wallet_id}/{act}"
            await post(bank, path, operator, {"reason": "a test says so"})
    await made(bank, carol, batch("independent", order(carol, dave, 1)))
    ended = await bank.send(carol, dave, 1, wait_s=20)
    await sealed(bank, carol, ended["id"])
    for _ in range(5):
        await proved(stack)
    return Spoilings(
        stack=stack,
        bank=bank,
        database=database,
        operator=operator,
        carol=carol,
        subscriber=subscriber,
        stood_still=stood_still,
        pid=stack.pid("serve"),
        proof=(await bank.ask("GET", "/v1/proof")).json(),
    )


async def post(bank: Bank, path: str, who: Person, body: Json) -> Json:
    answer = await bank.ask("POST", path, who, body=body, headers={"Idempotency-Key": new_key()})
    assert answer.is_success, answer.text
    found: Json = answer.json()
    return found


async def until(what: Callable[[], Awaitable[object]], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not await what():
            await asyncio.sleep(0.2)


def settings_of(stack: EmbeddedStack) -> Settings:
    where = stack.addresses
    return Settings(
        mongo_url=where.mongo_url,
        redis_url=where.redis_url,
        temporal_address=where.temporal_address,
    )


async def documents_row(spoilings: Spoilings) -> Row:
    found = await examine(settings_of(spoilings.stack), only=["documents"])
    return next(row for row in found if row.name == "documents")


async def test_every_field_of_every_collection_was_spoilt(spoilings: Spoilings) -> None:
    expected = {
        (name_of(document), *way)
        for document in DOCUMENTS
        for way in ways(document)
        if name_of(document) not in ONE_OF_A_KIND
    }
    assert {(one.collection, one.field, one.how) for one in spoilings.spoilt} == expected
    assert len(expected) > 2 * len(DOCUMENTS)


async def test_others_pay_and_hear_of_it(spoilings: Spoilings) -> None:
    bank, subscriber = spoilings.bank, spoilings.subscriber
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    endpoint = {"url": subscriber.url, "event_types": ["transfer.completed"]}
    await post(bank, "/v1/webhook-endpoints", bob, endpoint)
    url = spoilings.stack.addresses.api_url
    async with listening(url, "/v1/events/stream", bob) as stream:
        sent = [await bank.send(alice, bob, 1, wait_s=10) for _ in range(5)]
        assert {one["status"] for one in sent} == {"completed"}
        heard = [one.body for one in await stream.next(15)]
    ids = {one["id"] for one in sent}
    assert {one["data"]["id"] for one in heard} == ids

    async def delivered() -> bool:
        found = [one.body.decode() for one in subscriber.requests]
        return all(any(one in body for body in found) for one in ids)

    await until(delivered)
    many = [order(alice, bob, 1) for _ in range(20)]
    answer = await made(bank, alice, batch("independent", *many))

    async def batch_ended() -> bool:
        found = await bank.ask("GET", f"/v1/batches/{answer['id']}", alice)
        return bool(found.json()["status"] == "completed")

    await until(batch_ended)


async def test_the_sweep_the_pick_up_and_the_sealers_go_on(spoilings: Spoilings) -> None:
    bank, database = spoilings.bank, spoilings.database
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    endpoint = {"url": spoilings.subscriber.url, "event_types": ["transfer.completed"]}
    await post(bank, "/v1/webhook-endpoints", bob, endpoint)
    rule = {"step": "credit", "failure_type": "error", "failure_rate": 1}
    await bank.rehearse(spoilings.operator, rule)
    lost = await bank.send(alice, bob, 1)
    await bank.until(alice, lost["id"], "debited")
    temporal = await Client.connect(spoilings.stack.addresses.temporal_address)
    await temporal.get_workflow_handle(lost["workflow_id"]).terminate("a test says so")
    await bank.end_rehearsal(spoilings.operator)
    assert (await bank.ended(alice, lost["id"]))["status"] == "completed"  # the sweep began it anew

    async def is_sealed() -> bool:
        answer = await bank.ask("GET", f"/v1/transfers/{lost['id']}/timeline", alice)
        return bool(answer.json()["sealed"])

    await until(is_sealed, within_s=60)
    receipt = await sealed(bank, alice, lost["id"])
    assert receipt["inclusion"]["root"]["leaves"] >= 1

    wanted = {"transfer_id": lost["id"], "status": "succeeded"}
    await until(lambda: database.webhook_deliveries.find_one(wanted))
    was_made = len(spoilings.subscriber.requests)
    past = SystemClock().now()
    forgotten = {"status": "pending", "tries": 0, "attempts": [], "expires_at": None}
    await database.webhook_deliveries.update_one(
        wanted, {"$set": {**forgotten, "due_at": past, "next_attempt_at": past}}
    )
    await until(lambda: database.webhook_deliveries.find_one(wanted))
    assert len(spoilings.subscriber.requests) > was_made


async def test_the_process_lives_and_says_each_id_once(spoilings: Spoilings) -> None:
    await asyncio.sleep(5)  # two passes of the slowest loop here
    assert spoilings.stack.pid("serve") == spoilings.pid
    log = (spoilings.stack.data_dir / "logs" / "serve.log").read_text()
    for name in HELD_BY_LOOPS:
        said = [f"{name} {one.id} cannot be read, passed over" for one in spoilings.of(name)]
        counts = {line: log.count(f"{line}: ") for line in said}
        assert set(counts.values()) <= {0, 1}, counts
        assert sum(counts.values()) > 0, name


async def test_the_doctor_names_every_one(spoilings: Spoilings) -> None:
    found = {(one.collection, one.document_id) async for one in misfits(spoilings.database)}
    expected = {(one.collection, one.id) for one in spoilings.spoilt}
    assert expected <= found
    row = await documents_row(spoilings)
    assert row.verdict is Verdict.RED
    for name in COLLECTIONS:
        assert f"{name} " in row.found
        assert any(str(one.id) in row.found for one in spoilings.of(name)), name


async def test_the_metrics_count_them(spoilings: Spoilings) -> None:
    page = (await spoilings.bank.ask("GET", "/metrics")).text
    for name in HELD_BY_LOOPS:
        assert f'payflow_unreadable_documents{{collection="{name}"}}' in page


async def test_the_proof_goes_on_and_reports_them(spoilings: Spoilings) -> None:
    async with asyncio.timeout(45):
        assert await proved(spoilings.stack) == "violated"
    proof = (await spoilings.bank.ask("GET", "/v1/proof")).json()
    assert proof["number"] > spoilings.proof["number"]
    assert "documents_readable" in {one["invariant"] for one in proof["violations"]}


LISTS = {
    "users": "/v1/users?email=carol@example.com",
    "wallets": "/v1/wallets",
    "transfers": "/v1/transfers",
    "journal": "/v1/wallets/{wallet}/entries",
    "feed": "/v1/events?after=0",
    "webhook_endpoints": "/v1/webhook-endpoints",
    "api_keys": "/v1/api-keys",
    "proofs": "/v1/proofs",
    "receipt_roots": "/v1/roots",
}


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_leaves_out_what_cannot_be_read(spoilings: Spoilings, name: str) -> None:
    bank, carol = spoilings.bank, spoilings.carol
    ids = {one.id for one in spoilings.of(name)}
    for who in (carol, spoilings.operator):
        cursor: str | None = ""
        while cursor is not None:
            path = LISTS[name].format(wallet=carol.wallet_id)
            if cursor:
                path += f"{'&' if '?' in path else '?'}{'after' if name == 'feed' else 'cursor'}="
                path += cursor
            answer = await bank.ask("GET", path, who)
            if answer.status_code == 403:
                break
            assert answer.status_code == 200, answer.text
            assert ids.isdisjoint(one.get("id") for one in answer.json()["data"])
            cursor = answer.json()["next_cursor"]


SINGLE = {
    "transfers": ("/v1/transfers/{}", "/v1/transfers/{}/timeline", "/v1/transfers/{}/receipt"),
    "wallets": ("/v1/wallets/{}", "/v1/wallets/{}/entries"),
    "batches": ("/v1/batches/{}", "/v1/batches/{}/items"),
    "webhook_endpoints": ("/v1/webhook-endpoints/{}", "/v1/webhook-endpoints/{}/deliveries"),
}


@pytest.mark.parametrize("name", SINGLE)
async def test_a_read_of_what_cannot_be_read_is_a_problem_of_its_own(
    spoilings: Spoilings, name: str
) -> None:
    for one in spoilings.of(name):
        for path in SINGLE[name]:
            answer = await spoilings.bank.ask("GET", path.format(one.id), spoilings.operator)
            assert answer.status_code == 500, (one, answer.text)
            assert answer.json()["code"] == "document_unreadable", one


async def test_fields_are_of_a_type_that_is_said() -> None:
    said = {name_of(one): len(fields_of(one)) for one in DOCUMENTS}
    assert min(said.values()) > 0
