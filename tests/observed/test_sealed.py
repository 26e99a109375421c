"""With keys, no text of anybody's is readable where Temporal stores it, in logs or in metrics."""

import asyncio
import base64
import json
import secrets
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.worker import Worker

from activities.ledger import LedgerActivities
from cli.stack import EmbeddedStack
from payflow.domain.ledger import Leg
from temporal.client import connect
from temporal.messages import Ending, OperatorOrder, TransferStory
from temporal.names import REFUND_UPDATE
from tests.e2e.bank import Bank, Person, bank_of, new_key, order
from tests.e2e.pages import read_pages
from tests.fakes import TRANSFER, TroubledBooks, books_of_two
from tests.fakes_repairs import InMemoryRepairs
from tests.observed.conftest import KEYS, ORIGIN, settings_of
from workflows.transfer import TransferWorkflow

OF_THE_MONEY = "canary-of-the-money-91c4"
OF_AN_ERROR = "canary-of-an-error-58d1"
OF_A_REASON = "canary-of-a-reason-77b0"
OF_A_REQUEST = "canary-of-a-request-20e9"
READABLE = "canary-that-is-readable-3f6a"


def stored(stack: EmbeddedStack) -> bytes:
    """Everything Temporal has on disk."""
    files = [path for path in stack.data_dir.rglob("temporal.db*") if path.is_file()]
    assert files
    return b"".join(path.read_bytes() for path in files)


def logged(stack: EmbeddedStack) -> str:
    return "".join(path.read_text() for path in stack.data_dir.rglob("*.log"))


async def refunded_for_a_reason(bank: Bank, operator: Person) -> dict[str, Any]:
    """A transfer full of texts, held up, then sent home by an operator who says why."""
    rule = {"step": "credit", "failure_type": "error", "failure_rate": 1}
    await bank.rehearse(operator, rule)
    alice, bob = await bank.funded(100), await bank.person("bob")
    body = order(alice, bob, 40)
    body |= {"description": OF_THE_MONEY, "metadata": {"note": OF_THE_MONEY}}
    headers = {"Idempotency-Key": new_key(), "X-Request-Id": OF_A_REQUEST}
    sent = (await bank.ask("POST", "/v1/transfers", alice, body=body, headers=headers)).json()
    await bank.until(alice, sent["id"], "debited")
    said = await bank.ask(
        "POST", f"/v1/transfers/{sent['id']}/refund", operator, body={"reason": OF_A_REASON}
    )
    assert said.status_code == 200, said.text
    ended = await bank.ended(alice, sent["id"])
    await bank.end_rehearsal(operator)
    assert (ended["refunded"], ended["description"]) == (True, OF_THE_MONEY)
    return ended


async def story_with_errors(client: Client, words: str) -> None:
    """A story whose first step fails with these words in both lanes; an update is refused."""
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.before[Leg.DEBIT] = [ConnectionError(words) for _ in range(5)]
    queue = f"sealed-{secrets.token_hex(4)}"
    activities = LedgerActivities(trouble, InMemoryRepairs(books)).all()
    async with Worker(
        client, task_queue=queue, workflows=[TransferWorkflow], activities=activities
    ):
        handle = await client.start_workflow(
            TransferWorkflow.run, TransferStory(TRANSFER, 60), id=f"{queue}/story", task_queue=queue
        )
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(REFUND_UPDATE, OperatorOrder("", words))
        assert await handle.result() is Ending.COMPLETED


async def test_no_text_is_readable_at_rest(
    watched: EmbeddedStack, bank: Bank, operator: Person
) -> None:
    await refunded_for_a_reason(bank, operator)
    await story_with_errors(await connect(settings_of(watched, codec_keys=KEYS)), OF_AN_ERROR)
    await story_with_errors(await connect(settings_of(watched)), READABLE)
    async with asyncio.timeout(20):
        while READABLE.encode() not in stored(watched):  # else nothing would be proven
            await asyncio.sleep(0.5)

    at_rest, pages, lines = stored(watched), await read_pages(watched), logged(watched)

    for canary in (OF_THE_MONEY, OF_AN_ERROR, OF_A_REASON):
        assert canary.encode() not in at_rest
        assert canary not in pages
        assert canary not in lines
    assert OF_A_REQUEST.encode() not in at_rest
    assert OF_A_REQUEST in lines  # what a line is about it says


async def sealed_reason(stack: EmbeddedStack, workflow_id: str) -> dict[str, Any]:
    """The operator's order as Temporal gives it to who has no key."""
    client = await Client.connect(stack.addresses.temporal_address)
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    (accepted,) = [
        event.workflow_execution_update_accepted_event_attributes.accepted_request.input.args
        for event in history.events
        if event.HasField("workflow_execution_update_accepted_event_attributes")
    ]
    return MessageToDict(accepted)


async def test_an_operator_and_nobody_else_has_it_decoded(
    watched: EmbeddedStack, bank: Bank, operator: Person
) -> None:
    ended = await refunded_for_a_reason(bank, operator)
    sealed = await sealed_reason(watched, ended["workflow_id"])
    assert OF_A_REASON not in json.dumps(sealed)

    refused = await bank.ask("POST", "/codec/decode", body=sealed)
    forbidden = await bank.ask("POST", "/codec/decode", await bank.person(), body=sealed)
    opened = await bank.ask("POST", "/codec/decode", operator, body=sealed)

    assert (refused.status_code, refused.json()["code"]) == (401, "authentication_required")
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "operator_required")
    assert opened.status_code == 200
    (payload,) = opened.json()["payloads"]
    assert OF_A_REASON in base64.b64decode(payload["data"]).decode()


async def test_what_is_encoded_is_decoded(bank: Bank, operator: Person) -> None:
    plain = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImhlbGxvIg=="}

    sealed = await bank.ask("POST", "/codec/encode", operator, body={"payloads": [plain]})
    opened = await bank.ask("POST", "/codec/decode", operator, body=sealed.json())

    assert sealed.json()["payloads"][0]["data"] != plain["data"]
    assert opened.json() == {"payloads": [plain]}


@pytest.mark.parametrize(
    "payload",
    [
        {"metadata": {"encoding": "YmluYXJ5L2VuY3J5cHRlZA=="}, "data": "AAAA"},
        {"metadata": {"encoding": 5}},
        {"unknown": "field"},
    ],
)
async def test_what_cannot_be_read_is_said_so(
    bank: Bank, operator: Person, payload: dict[str, Any]
) -> None:
    answer = await bank.ask("POST", "/codec/decode", operator, body={"payloads": [payload]})

    assert (answer.status_code, answer.json()["code"]) == (422, "payload_unreadable")


async def test_without_keys_there_is_no_such_call(pair: EmbeddedStack) -> None:
    async with bank_of(pair) as bank:
        alice = await bank.person()
    async with httpx.AsyncClient(base_url=pair.addresses.api_url, trust_env=False) as client:
        payloads: dict[str, Any] = {"payloads": []}
        answer = await client.post("/codec/decode", json=payloads, headers=alice.headers)

    assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")


@pytest.mark.parametrize(
    ("path", "origin", "is_open"),
    [
        ("/codec/decode", ORIGIN, True),
        ("/codec/decode", "http://elsewhere.example.com", False),
        ("/v1/transfers", ORIGIN, False),
    ],
)
async def test_only_the_ui_s_pages_may_ask_and_only_the_codec(
    bank: Bank, path: str, origin: str, is_open: bool
) -> None:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
    }

    answer = await bank.ask("OPTIONS", path, headers=headers)

    assert (answer.headers.get("access-control-allow-origin") == origin) is is_open
