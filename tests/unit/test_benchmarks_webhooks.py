"""The webhooks' section: what a mailbox notes, what is asked for at which pace, what is claimed."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest

from benchmarks.errors import BenchFailed
from benchmarks.jobs import Job, Order
from benchmarks.load import _Run
from benchmarks.receivers import Answer, failing, hanging, mailbox, thankful
from benchmarks.run import SECTIONS
from benchmarks.sections.webhooks import ALONE, BESIDE_BOTH, BESIDE_HANGING, CALLERS, hers, rows
from payflow.domain.representation import rfc3339
from payflow.storage.identity import SystemClock
from tests.unit.test_benchmarks_orders import town


def body(event_id: str, seconds_ago: float) -> bytes:
    at = SystemClock().now() - timedelta(seconds=seconds_ago)
    return json.dumps({"id": event_id, "created_at": rfc3339(at)}).encode()


@pytest.mark.parametrize(("answer", "status"), [(thankful, 204), (failing, 500)])
async def test_a_mailbox_notes_the_first_arrival_of_each_event(answer: Answer, status: int) -> None:
    async with mailbox(answer) as box, httpx.AsyncClient(trust_env=False) as client:
        for seconds_ago in (1.0, 9.0):  # the second one over the same connection
            given = await client.post(box.url, content=body("evt_1", seconds_ago))
            assert given.status_code == status
    assert box.late_s == {"evt_1": pytest.approx(1.0, abs=0.5)}


async def test_a_hanging_mailbox_takes_the_event_and_never_answers() -> None:
    async with mailbox(hanging) as box, httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(box.url, content=body("evt_1", 0), timeout=0.2)
    assert list(box.late_s) == ["evt_1"]


def test_every_transfer_is_the_subscribers_news() -> None:
    here = town(wallets=32, residents=4)
    own = {purse.wallet_id for purse in here.purses if purse.owner is here.residents[0]}
    orders = [json.loads(order.body) for mine in hers(here, CALLERS) for order in mine]

    payers = {order["source_wallet_id"] for order in orders}
    payees = {order["destination_wallet_id"] for order in orders}

    assert len(orders) == 2 * len(own)
    assert payers & own == payees & own == own
    assert payers - own
    assert all(
        len({order["source_wallet_id"], order["destination_wallet_id"]} & own) == 1
        for order in orders
    )


async def test_a_paced_caller_asks_at_most_once_in_its_time() -> None:
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while not reader.at_eof():
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    order = Order("GET", "/", "token", "ok")
    try:
        for every_s, fewest, most in ((0.1, 2, 8), (0.0, 20, 10**6)):
            asked = 0
            job = Job("127.0.0.1", port, [[order], [order]], 0.3, 0.0, every_s=every_s)
            tally = await _Run(job, (str(key) for key in range(10**6))).tally()
            assert not tally.wrong
            assert fewest <= asked <= most
    finally:
        server.close()


def late(*turns: list[float]) -> dict[str, list[list[float]]]:
    """Two equal turns of each kind: alone, beside one that hangs, beside both."""
    kinds = (ALONE, BESIDE_HANGING, BESIDE_BOTH)
    return {kind: [turn] * 2 for kind, turn in zip(kinds, turns, strict=True)}


def test_half_a_second_and_no_slower_beside_a_hanging_one_is_claimed() -> None:
    # of medians: neither means nor the slowest are alike
    seconds, beside_hanging, beside_both = rows(
        late([0.1, 0.2, 0.3], [0.2, 0.2, 0.9], [0.0, 0.2, 0.8])
    )

    assert (seconds.value, seconds.unit, seconds.verdict) == (0.2, "s", "aim reached")
    assert (beside_hanging.value, beside_hanging.verdict) == (1.0, "aim reached")
    assert (beside_both.value, beside_both.verdict) == (1.0, "aim reached")


def test_each_row_is_about_its_own_subscribers() -> None:
    seconds, beside_hanging, beside_both = rows(late([0.2], [0.3], [0.24]))

    assert (seconds.value, seconds.verdict) == (0.24, "aim reached")
    assert beside_hanging.value == pytest.approx(1.5)
    assert beside_hanging.verdict == "**missed**"
    assert beside_both.value == pytest.approx(1.2)
    assert beside_both.verdict == "reached"


def test_a_late_or_slowed_subscriber_is_missed() -> None:
    assert {row.verdict for row in rows(late([0.4], [0.41], [0.6]))} == {"**missed**"}


@pytest.mark.parametrize("empty", [ALONE, BESIDE_HANGING, BESIDE_BOTH])
def test_a_turn_without_events_is_no_figure(empty: str) -> None:
    with pytest.raises(BenchFailed):
        rows({**late([0.1], [0.1], [0.1]), empty: [[]]})


def test_the_section_can_be_asked_for() -> None:
    assert "webhooks" in SECTIONS
