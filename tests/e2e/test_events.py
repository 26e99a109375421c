"""The feed and its streams over HTTP: who sees what, from where, on whichever API."""

import asyncio

import pytest

from cli.stack import EmbeddedStack
from tests.e2e.bank import Bank, Json, Person, new_key, order
from tests.e2e.listening import listening
from tests.e2e.test_outages import without

PAID = [
    "transfer.initiated",
    "transfer.debited",
    "transfer.credited",
    "transfer.completed",
]


async def feed_of(bank: Bank, who: Person, query: str = "", until: int = 0) -> list[Json]:
    """A person's events, page after page, once there are so many."""
    async with asyncio.timeout(30):
        while True:
            found: list[Json] = []
            after: str | None = "0"
            while after is not None:
                answer = await bank.ask("GET", f"/v1/events?limit=3&after={after}{query}", who)
                assert answer.status_code == 200, answer.text
                page = answer.json()
                assert page["object"] == "list"
                assert (page["next_cursor"] is not None) is page["has_more"]
                found += page["data"]
                after = page["next_cursor"]
            if len(found) >= until:
                return found
            await asyncio.sleep(0.1)


def types_of(events: list[Json]) -> list[str]:
    return [event["type"] for event in events]


async def test_each_party_reads_what_concerns_it_in_order(bank: Bank) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    sent = await bank.send(alice, bob, 10, wait_s=20)
    hers = await feed_of(bank, alice, until=5)
    his = await feed_of(bank, bob, until=3)
    assert types_of(hers) == ["wallet.deposited", *PAID]
    assert types_of(his) == PAID[1:]  # an order is between the payer and us
    assert hers[2:] == his
    assert [event["sequence"] for event in hers[1:]] == [1, 2, 3, 4]
    positions = [event["position"] for event in hers]
    assert positions == sorted(set(positions))
    assert all(event["data"]["id"] == sent["id"] for event in hers[1:])


async def test_the_payee_does_not_hear_of_a_refused_debit(bank: Bank) -> None:
    alice, bob = await bank.funded(5), await bank.person("bob")
    await bank.send(alice, bob, 10, wait_s=20)
    assert types_of(await feed_of(bank, alice, until=3)) == [
        "wallet.deposited",
        "transfer.initiated",
        "transfer.failed",
    ]
    assert await feed_of(bank, bob) == []


async def test_an_operator_reads_everybodys_events_of_the_types_asked_for(
    bank: Bank, operator: Person
) -> None:
    alice = await bank.funded(100)
    bob = await bank.funded(200)
    last = (await feed_of(bank, bob, until=1))[-1]["position"]
    first = (await feed_of(bank, alice, until=1))[0]["position"]
    query = f"/v1/events?after={first - 1}&limit=100"
    asked = await bank.ask("GET", f"{query}&type=wallet.deposited&type=endpoint.test", operator)
    seen = [event["data"]["owner_id"] for event in asked.json()["data"]]
    assert {alice.user_id, bob.user_id} <= set(seen)
    assert set(types_of(asked.json()["data"])) == {"wallet.deposited"}
    none = await bank.ask("GET", f"/v1/events?after={last}&type=transfer.failed", bob)
    assert none.json()["data"] == []


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/stream"])
@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("after=x", "after", "integer"),
        ("after=-1", "after", "greater than or equal to 0"),
        ("after=999999999", "after", "come to position"),
        ("after=99999999999999999999", "after", "less than or equal to"),
        ("type=transfer.paid", "type[0]", "transfer.completed"),
        ("colour=red", "colour", "not permitted"),
    ],
)
async def test_a_place_or_type_that_is_none_is_refused_by_name(
    bank: Bank, path: str, query: str, field: str, says: str
) -> None:
    alice = await bank.person()
    answer = await bank.ask("GET", f"{path}?{query}", alice)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert says in error["message"]


@pytest.mark.parametrize("sent", ["x", "-1", "999999999"])
async def test_a_last_event_id_that_is_none_is_refused(bank: Bank, sent: str) -> None:
    alice = await bank.person()
    answer = await bank.ask("GET", "/v1/events/stream", alice, headers={"Last-Event-ID": sent})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].lower() == "last-event-id"


async def test_a_stream_is_resumed_on_another_api_without_loss_or_repetition(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    urls = stack.addresses.api_urls
    whole: list[tuple[int, str]] = []
    last: int | None = 0
    for turn in range(4):
        url = urls[turn % len(urls)]
        async with listening(url, "/v1/events/stream", alice, last) as stream:
            paying = asyncio.gather(*(bank.send(alice, bob, 1) for _ in range(3)))
            heard = await stream.next(5)  # in the middle of a transfer
            await paying
        whole += [(event.id, event.body["id"]) for event in heard]
        last = whole[-1][0]
    async with listening(urls[-1], "/v1/events/stream", alice, last) as stream:
        whole += [(event.id, event.body["id"]) for event in await stream.next(1 + 12 * 4 - 20)]
    read = await feed_of(bank, alice, until=1 + 12 * 4)
    assert whole == [(event["position"], event["id"]) for event in read]


async def test_a_live_stream_begins_with_what_happens_next_and_filters(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    await feed_of(bank, alice, until=1)
    path = "/v1/events/stream?type=transfer.completed"
    async with listening(stack.addresses.api_urls[-1], path, bob) as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-store"
        sent = await bank.send(alice, bob, 10)
        (heard,) = await stream.next(1)
    assert (heard.type, heard.body["data"]["id"]) == ("transfer.completed", sent["id"])
    assert heard.body["position"] == heard.id


async def test_nothing_falls_between_two_connections_of_a_quiet_stream(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    await feed_of(bank, alice, until=1)
    url, path = stack.addresses.api_urls[0], "/v1/events/stream"
    async with listening(url, path, bob) as stream:
        await stream.until_start()
    assert stream.starts_after is not None
    assert not stream.heard
    sent = await bank.send(alice, bob, 10, wait_s=20)  # while no connection is open
    async with listening(url, path, bob, stream.starts_after) as resumed:
        heard = await resumed.next(3)
    assert resumed.starts_after == stream.starts_after
    assert [event.type for event in heard] == PAID[1:]
    assert {event.body["data"]["id"] for event in heard} == {sent["id"]}


async def test_a_transfers_stream_starts_with_a_position_too(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    sent = await bank.send(alice, bob, 10, wait_s=20)
    path, url = f"/v1/transfers/{sent['id']}/events", stack.addresses.api_urls[0]
    async with listening(url, path, alice) as stream:
        heard = await stream.to_the_end()
    assert (stream.starts_after, len(heard)) == (0, 4)
    async with listening(url, path, alice, heard[1].id) as stream:
        assert [one.id for one in await stream.to_the_end()] == [heard[2].id, heard[3].id]
    assert stream.starts_after == heard[1].id


async def test_a_line_separator_in_a_description_ends_no_line(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    body = {**order(alice, bob, 1), "description": "one\u2028id: 1\u2029two"}
    made = await bank.ask(
        "POST", "/v1/transfers", alice, body=body, headers={"Idempotency-Key": new_key()}
    )
    assert made.status_code == 202, made.text
    path = f"/v1/transfers/{made.json()['id']}/events"
    async with listening(stack.addresses.api_urls[0], path, alice) as stream:
        heard = await stream.to_the_end()
    assert [one.type for one in heard] == PAID
    assert {one.body["data"]["description"] for one in heard} == {body["description"]}


async def test_a_transfers_stream_replays_it_and_ends_with_it(
    bank: Bank, stack: EmbeddedStack, operator: Person
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    url = stack.addresses.api_urls[-1]
    sent = await bank.send(alice, bob, 10)
    path = f"/v1/transfers/{sent['id']}/events"
    async with listening(url, path, alice) as live:
        lived = await live.to_the_end()
    assert [event.type for event in lived] == PAID
    for who, expected in ((alice, PAID), (bob, PAID[1:]), (operator, PAID)):
        async with listening(url, path, who) as replay:
            assert [event.type for event in await replay.to_the_end()] == expected
    async with listening(url, path, alice, lived[1].id) as resumed:
        assert [event.type for event in await resumed.to_the_end()] == PAID[2:]
    async with listening(url, path, alice, lived[-1].id) as over:
        assert await over.to_the_end() == []


async def test_a_transfers_stream_is_nobody_elses_and_ends_for_a_payee_who_hears_nothing(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob, eve = await bank.funded(5), await bank.person("bob"), await bank.person("eve")
    refused = await bank.send(alice, bob, 10, wait_s=20)
    path = f"/v1/transfers/{refused['id']}/events"
    assert (await bank.ask("GET", path, eve)).status_code == 404
    assert (await bank.ask("GET", path)).status_code == 401
    async with listening(stack.addresses.api_urls[-1], path, bob) as stream:
        assert await stream.to_the_end() == []


@pytest.mark.chaos
async def test_without_redis_streams_go_on(bank: Bank, stack: EmbeddedStack) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    await feed_of(bank, alice, until=1)
    url = stack.addresses.api_urls[-1]
    async with (
        listening(url, "/v1/events/stream", alice) as stream,
        without(stack, "redis"),
    ):
        await bank.send(alice, bob, 10, wait_s=20)
        assert [event.type for event in await stream.next(4)] == PAID
