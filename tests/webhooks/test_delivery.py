"""From event to subscriber: on record first, tried at once, carried on, never lost."""

import asyncio
import secrets
import time
from datetime import datetime, timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from cli.stack import EmbeddedStack
from payflow.domain.errors import NotFound
from payflow.domain.ports import NewUser
from payflow.domain.users import Principal, Role
from payflow.domain.webhook_errors import EndpointNotEnabled
from payflow.domain.webhook_ports import Turn
from payflow.domain.webhooks import (
    Attempt,
    DeliveryStatus,
    EndpointStatus,
    Verdict,
    delivery_id,
)
from payflow.webhooks import attempts
from temporal.client import connect
from temporal.names import delivery_workflow_id
from tests.e2e.auditing import books_of
from tests.fakes_feed import InMemoryFeed
from tests.webhooks.events import event
from tests.webhooks.post import Post, only, post_of, somebody, verified
from tests.webhooks.receivers import OK, answering, hanging, receiver, status


async def test_an_event_arrives_signed_and_as_it_is(post: Post, owner: Principal) -> None:
    async with receiver() as shop:
        endpoint, secret = await post.endpoint(owner, shop.url)
        happened = event([owner.user_id])
        await post.dispatch.schedule([happened])
        (delivery,) = await post.delivered(endpoint, owner)
        request = only(shop)
    assert verified(request, secret) == happened.body
    assert request.headers["webhook-id"] == happened.id
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"
    assert b": " not in request.body
    (attempt,) = delivery.attempts
    assert (attempt.status_code, attempt.error, attempt.response) == (200, None, "ok")
    assert delivery.next_attempt_at is None


async def test_only_who_may_see_an_event_and_asked_for_it_gets_it(
    post: Post, owner: Principal
) -> None:
    stranger = somebody(f"stranger-{owner.user_id}")
    async with receiver() as shop, receiver() as others:
        mine, _ = await post.endpoint(owner, shop.url, "transfer.failed")
        theirs, _ = await post.endpoint(stranger, others.url)
        await post.dispatch.schedule(
            [
                event([owner.user_id], "transfer.completed"),
                event([owner.user_id], "transfer.failed"),
                event([owner.user_id], at=post.storage.clock.now() - timedelta(days=1)),
            ]
        )
        (delivery,) = await post.delivered(mine, owner)
    assert delivery.event_type == "transfer.failed"
    assert others.connections == 0
    with pytest.raises(NotFound):
        await post.subscriptions.get(theirs.id, owner)


async def test_handing_the_same_events_over_again_changes_nothing(
    post: Post, owner: Principal
) -> None:
    async with receiver() as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        events = [event([owner.user_id], sequence=n) for n in range(1, 6)]
        await asyncio.gather(*(post.dispatch.schedule(events) for _ in range(4)))
        await post.delivered(endpoint, owner, count=5)
        await post.dispatch.schedule(events)
        await post.dispatch.drain()
    assert sorted(shop.ids) == sorted(one.id for one in events)


async def test_a_failed_attempt_is_carried_on_by_a_worker(post: Post, owner: Principal) -> None:
    async with receiver(answering(status(500, body=b"x" * 5_000), OK)) as shop:
        endpoint, secret = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        (delivery,) = await post.delivered(endpoint, owner)
    first, second = shop.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert verified(second, secret)
    assert [attempt.status_code for attempt in delivery.attempts] == [500, 200]
    assert delivery.attempts[0].response == "x" * 1_024
    gap = delivery.attempts[1].at - delivery.attempts[0].at
    assert gap >= timedelta(seconds=4.5)


async def test_what_a_killed_process_left_on_record_is_picked_up(
    post: Post, owner: Principal
) -> None:
    records = post.storage.delivery_records
    async with receiver() as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        # on record, and then the process that was to try them is no more: with one it had begun
        (_, begun) = await records.open([event([owner.user_id]), event([owner.user_id])])
        assert isinstance(await records.take_turn(begun.delivery_id), Turn)
        # and one was put on record as for a paused endpoint while that was resumed
        await post.subscriptions.change(endpoint.id, owner, {"status": "paused"})
        await records.open([event([owner.user_id])])
        await post.storage.endpoints.change(endpoint.id, owner, {"status": "enabled"})
        await post.delivered(endpoint, owner, count=3, within_s=30)
    assert len(set(shop.ids)) == len(shop.ids) == 3


async def test_deletion_stops_the_retries(
    pair: EmbeddedStack, post: Post, owner: Principal
) -> None:
    async with receiver(answering(status(500))) as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([happened := event([owner.user_id])])
        await post.attempted(endpoint, owner)
        await asyncio.sleep(0.5)  # its workflow has been started
        await post.subscriptions.remove(endpoint.id, owner)
        client = await connect(post.settings)
        the_id = delivery_id(happened.id, endpoint.id)
        handle = client.get_workflow_handle(delivery_workflow_id(the_id))
        assert await asyncio.wait_for(handle.result(), 10) == DeliveryStatus.CANCELLED
        assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert len(shop.requests) == 1
    delivery = await post.storage.delivery_records.get(the_id, owner)
    assert delivery.status is DeliveryStatus.CANCELLED


async def test_a_paused_endpoint_keeps_its_events_until_it_is_resumed(
    post: Post, owner: Principal
) -> None:
    async with receiver() as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.subscriptions.change(endpoint.id, owner, {"status": "paused"})
        await post.dispatch.schedule([event([owner.user_id])])
        (waiting,) = await post.delivered(endpoint, owner, status=DeliveryStatus.PENDING)
        assert waiting.next_attempt_at is None
        with pytest.raises(EndpointNotEnabled):
            await post.subscriptions.test(endpoint.id, owner)
        await post.subscriptions.change(endpoint.id, owner, {"status": "enabled"})
        await post.delivered(endpoint, owner, within_s=40)
    assert len(shop.requests) == 1


async def test_a_deactivated_owners_events_are_kept_and_not_sent(post: Post) -> None:
    accounts = post.storage.accounts
    new = NewUser(f"{secrets.token_hex(8)}@example.com", "no hash", "Alice")
    user, _ = await accounts.register(new, "USD")
    alice = Principal(user.id, Role.USER)
    async with receiver() as shop:
        endpoint, _ = await post.endpoint(alice, shop.url)
        await post.dispatch.schedule([event([alice.user_id])])
        (sent,) = await post.delivered(endpoint, alice)
        await accounts.set_active(user.id, active=False)
        later, _ = await post.endpoint(alice, shop.url)  # by a token that was not yet refused
        await post.dispatch.schedule([event([alice.user_id])])
        again = await post.storage.delivery_records.reopen(
            [sent.id], endpoint.id, only=list(DeliveryStatus)
        )
        assert await post.attempts.attempt(*again) == Verdict(DeliveryStatus.PENDING)
        for one, count in ((endpoint, 2), (later, 1)):
            await post.delivered(one, alice, status=DeliveryStatus.PENDING, count=count)
        assert len(shop.requests) == 1
        await accounts.set_active(user.id, active=True)
        for one, count in ((endpoint, 2), (later, 1)):
            await post.delivered(one, alice, count=count, within_s=20)
    assert len(shop.requests) == 4


async def test_what_has_ended_is_kept_for_its_time_and_not_replayed_after_it(
    pair: EmbeddedStack, owner: Principal
) -> None:
    day = timedelta(days=1)
    async with (
        books_of(pair) as database,
        post_of(pair, webhook_keep_s=int(day.total_seconds())) as post,
        receiver() as shop,
    ):
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        (delivery,) = await post.delivered(endpoint, owner)
        kept = database.webhook_deliveries
        now = post.storage.clock.now()
        soon = {"$gt": now + day - timedelta(minutes=1), "$lt": now + day}
        assert await kept.count_documents({"_id": delivery.id, "expires_at": soon}) == 1
        again = await post.subscriptions.resend(delivery.id, owner)
        assert await kept.count_documents({"_id": again.id, "expires_at": None}) == 1
        replay = await post.subscriptions.replay(endpoint.id, owner, now - 10 * day)
        assert replay.since >= now - day


async def test_410_disables_the_endpoint_and_tells_its_owner(post: Post, owner: Principal) -> None:
    async with receiver(answering(status(410))) as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        await post.delivered(endpoint, owner, status=DeliveryStatus.CANCELLED)
        await post.dispatch.schedule([event([owner.user_id])])
        await post.dispatch.drain()
    disabled = await post.subscriptions.get(endpoint.id, owner)
    assert (disabled.status, disabled.disabled_reason) == (EndpointStatus.DISABLED, "gone")
    assert len(shop.requests) == 1


async def test_five_failing_days_disable_the_endpoint(
    pair: EmbeddedStack, owner: Principal
) -> None:
    async with (
        post_of(pair, webhook_disable_after_s=2) as post,
        receiver(answering(status(503))) as shop,
    ):
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        await post.attempted(endpoint, owner)
        await asyncio.sleep(2.1)
        await post.dispatch.schedule([event([owner.user_id])])
        await post.delivered(endpoint, owner, status=DeliveryStatus.CANCELLED)
        disabled = await post.subscriptions.get(endpoint.id, owner)
    assert (disabled.status, disabled.disabled_reason) == (EndpointStatus.DISABLED, "failing")


@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_is_honoured(post: Post, owner: Principal, code: int) -> None:
    async with receiver(answering(status(code, "Retry-After: 120"))) as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        delivery = await post.attempted(endpoint, owner)
    assert delivery.next_attempt_at is not None
    wait_s = (delivery.next_attempt_at - delivery.attempts[0].at).total_seconds()
    assert 119 <= wait_s <= 125


async def test_resend_sends_again_whatever_became_of_it(post: Post, owner: Principal) -> None:
    async with receiver() as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        (delivery,) = await post.delivered(endpoint, owner)
        again = await post.subscriptions.resend(delivery.id, owner)
        assert again.status is DeliveryStatus.PENDING
        delivery = await post.attempted(endpoint, owner, 2)
    assert delivery.status is DeliveryStatus.SUCCEEDED
    assert shop.ids == [delivery.event_id] * 2
    with pytest.raises(NotFound):
        await post.subscriptions.resend(delivery.id, somebody("else"))


async def test_replay_sends_what_was_never_acknowledged(
    pair: EmbeddedStack, owner: Principal
) -> None:
    feed = InMemoryFeed()
    async with (
        post_of(pair, feed=feed) as post,
        receiver(answering(OK, status(410), OK)) as shop,
    ):
        endpoint, _ = await post.endpoint(owner, shop.url)
        since = post.storage.clock.now()
        taken, cancelled, missed = (event([owner.user_id], sequence=n) for n in (1, 2, 3))
        feed.events = [taken, cancelled, missed]
        await post.dispatch.schedule([taken])
        await post.delivered(endpoint, owner)
        await post.dispatch.schedule([cancelled])
        await post.delivered(endpoint, owner, status=DeliveryStatus.CANCELLED)
        await post.dispatch.schedule([missed])  # the endpoint is disabled now
        with pytest.raises(EndpointNotEnabled):
            await post.subscriptions.replay(endpoint.id, owner, since)
        await post.subscriptions.change(endpoint.id, owner, {"status": "enabled"})
        replay = await post.subscriptions.replay(endpoint.id, owner, since)
        assert (replay.deliveries, replay.next_since) == (2, None)
        await post.delivered(endpoint, owner, count=3)
        assert (await post.subscriptions.replay(endpoint.id, owner, since)).deliveries == 0
    assert shop.ids[:2] == [taken.id, cancelled.id]
    assert sorted(shop.ids[2:]) == sorted([cancelled.id, missed.id])


async def test_a_rotation_breaks_no_verifier(pair: EmbeddedStack, owner: Principal) -> None:
    async with post_of(pair, webhook_secret_overlap_s=2) as post, receiver() as shop:
        endpoint, old = await post.endpoint(owner, shop.url)

        async def next_request() -> None:
            before = len(shop.requests)
            await post.dispatch.schedule([event([owner.user_id])])
            await post.delivered(endpoint, owner, count=before + 1)

        await next_request()
        _, new = await post.subscriptions.rotate(endpoint.id, owner, None)
        await next_request()
        await asyncio.sleep(2.1)
        await next_request()
    before, during, after = shop.requests
    assert verified(before, old)
    assert verified(during, old) == verified(during, new)
    assert verified(after, new)
    assert len(during.headers["webhook-signature"].split()) == 2
    for request, secret in ((before, new), (after, old)):
        with pytest.raises(Exception, match="No matching signature"):
            verified(request, secret)


async def test_a_slow_subscriber_delays_nobody(pair: EmbeddedStack, owner: Principal) -> None:
    waits = asyncio.Event()

    async def hang(*_: object) -> None:
        await waits.wait()

    async with (
        post_of(pair, webhook_endpoint_concurrency=3, webhook_timeout_s=5) as post,
        receiver(hang) as slow,
        receiver() as quick,
    ):
        await post.endpoint(owner, slow.url)
        endpoint, _ = await post.endpoint(owner, quick.url)
        await post.dispatch.schedule([event([owner.user_id], sequence=n) for n in range(1, 31)])
        await post.delivered(endpoint, owner, count=30)
        assert slow.connections == 3
        waits.set()


async def test_a_turn_lasts_while_its_holder_waits_for_the_answer(
    pair: EmbeddedStack, post: Post, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "HOLD_EVERY_S", 0.05)
    async with books_of(pair) as database, receiver(hanging) as stuck:
        endpoint, _ = await post.endpoint(owner, stuck.url)

        async def until() -> datetime:
            this = {"_id": endpoint.id}
            async with asyncio.timeout(5):
                while not (ends := await database.webhook_endpoints.distinct("turns.until", this)):
                    await asyncio.sleep(0.01)
            moment: datetime = ends[0]
            return moment

        await post.dispatch.schedule([event([owner.user_id])])
        taken = await until()
        await asyncio.sleep(0.4)
        assert await until() - taken >= timedelta(seconds=0.2)


async def test_first_attempts_outlast_a_killed_process_and_start_no_workflows(
    pair: EmbeddedStack, owner: Principal
) -> None:
    """Its places are free again within 8 s, whoever hangs beside it."""
    async with (
        post_of(pair, webhook_endpoint_concurrency=2) as post,
        receiver() as shop,
        receiver(hanging) as stuck,
    ):
        records = post.storage.delivery_records
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.endpoint(owner, stuck.url)
        opened = await records.open([event([owner.user_id], sequence=n) for n in (1, 2)])
        for one in opened:  # its process has taken all places, and is no more
            assert isinstance(await records.take_turn(one.delivery_id), Turn)
        await post.dispatch.schedule([event([owner.user_id], sequence=n) for n in range(3, 43)])
        begun = time.monotonic()
        await post.delivered(endpoint, owner, count=40, within_s=12)
        assert time.monotonic() - begun > 1  # the killed one's places were in the way
        assert len(set(shop.ids)) == len(shop.ids) == 40
        client = await connect(post.settings)
        for delivery in await post.delivered(endpoint, owner, count=40):
            with pytest.raises(RPCError, match="not found"):
                await client.get_workflow_handle(delivery_workflow_id(delivery.id)).describe()


async def test_places_hold_over_processes_and_run_out(
    pair: EmbeddedStack, owner: Principal
) -> None:
    async with (
        post_of(pair, webhook_endpoint_concurrency=2) as one,
        post_of(pair, webhook_endpoint_concurrency=2) as another,
    ):
        endpoint, _ = await one.endpoint(owner, "http://127.0.0.1:9/")
        opened = await one.storage.delivery_records.open(
            [event([owner.user_id], sequence=n) for n in range(3)]
        )
        first, second, third = (each.delivery_id for each in opened)
        turn = await one.storage.delivery_records.take_turn(first)
        assert isinstance(turn, Turn)
        again = await another.storage.delivery_records.take_turn(first)
        assert not isinstance(again, Turn)  # nobody tries it twice at once
        assert isinstance(await another.storage.delivery_records.take_turn(second), Turn)
        assert await another.storage.delivery_records.take_turn(third) is None
        assert (await another.storage.delivery_records.put_off(third)).again_in_s is not None
        attempt = Attempt(one.storage.clock.now(), 1, 500)
        failing = await one.storage.delivery_records.record(
            turn, attempt, again_in=timedelta(hours=1)
        )
        assert failing.failing_since == attempt.at
        await one.subscriptions.remove(endpoint.id, owner)
