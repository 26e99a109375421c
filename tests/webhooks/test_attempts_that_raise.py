"""An attempt that raises is a failed attempt on record; what the subscriber said still counts."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Never

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.users import Principal
from payflow.domain.webhooks import (
    INTERNAL_ERROR,
    Attempt,
    DeliveryStatus,
    DisabledReason,
    Endpoint,
    EndpointStatus,
    SealedSecret,
    is_to_be_disabled,
    wait_before_next,
)
from payflow.storage.identity import SystemClock
from payflow.webhooks import attempts
from payflow.webhooks.guard import Guard
from payflow.webhooks.sending import Sender
from tests.webhooks.events import event
from tests.webhooks.post import Post
from tests.webhooks.receivers import answering, receiver, status

ODD = "Retry-After: Mon, 01 Jan 2024 99999999999999999999:00:00 GMT"


async def test_a_200_with_an_odd_header_is_a_success(post: Post, owner: Principal) -> None:
    async with receiver(answering(status(200, ODD))) as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        (delivery,) = await post.delivered(endpoint, owner)
    assert [one.status_code for one in delivery.attempts] == [200]
    assert len(shop.requests) == 1


async def test_a_410_with_an_odd_header_disables_the_endpoint(post: Post, owner: Principal) -> None:
    async with receiver(answering(status(410, ODD))) as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        delivery = await post.attempted(endpoint, owner)
        await post.dispatch.drain()
    assert [one.status_code for one in delivery.attempts] == [410]
    disabled = await post.subscriptions.get(endpoint.id, owner)
    assert (disabled.status, disabled.disabled_reason) == (
        EndpointStatus.DISABLED,
        DisabledReason.GONE,
    )


async def test_a_bug_is_a_failed_attempt_on_record_and_the_next_one_succeeds(
    post: Post, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Never:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Sender, "post", broken)  # of this process; the stack's workers have none
    async with receiver() as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        (delivery,) = await post.delivered(endpoint, owner)
    assert [(one.status_code, one.error) for one in delivery.attempts] == [
        (None, INTERNAL_ERROR),
        (200, None),
    ]


@pytest.mark.parametrize("sealed", ["", "AAAA", "no base64", "A" * 200])
async def test_a_secret_that_does_not_open_is_a_failed_attempt_on_record(
    post: Post, owner: Principal, sealed: str
) -> None:
    async with receiver() as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        damaged = [SealedSecret(endpoint.secrets[0].key_id, sealed)]
        assert await post.storage.endpoints.set_secrets(
            endpoint.id, damaged, before=endpoint.secrets
        )
        await post.dispatch.schedule([event([owner.user_id])])
        delivery = await post.attempted(endpoint, owner)
    assert (delivery.attempts[0].status_code, delivery.attempts[0].error) == (None, INTERNAL_ERROR)
    assert delivery.status is DeliveryStatus.PENDING
    assert not shop.requests


async def test_a_success_that_cannot_be_counted_is_one(
    post: Post, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Never:
        raise KeyError("created_at")

    monkeypatch.setattr(attempts, "_told", broken)
    async with receiver() as shop:
        endpoint, _ = await post.endpoint(owner, shop.url)
        await post.dispatch.schedule([event([owner.user_id])])
        (delivery,) = await post.delivered(endpoint, owner)
    assert [one.status_code for one in delivery.attempts] == [200]
    assert len(shop.requests) == 1


@pytest.mark.parametrize(
    ("error", "reason"), [(INTERNAL_ERROR, None), ("timeout", DisabledReason.FAILING)]
)
def test_an_endpoint_is_not_disabled_for_a_bug_of_ours(
    error: str, reason: DisabledReason | None
) -> None:
    long_ago, now = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)
    endpoint = Endpoint(
        "whe_1", "usr_1", "https://shop.example.com", ("*",), long_ago, long_ago,
        failing_since=long_ago,
    )  # fmt: skip
    attempt = Attempt(at=now, duration_ms=1, error=error)
    assert is_to_be_disabled(endpoint, attempt, now - long_ago) is reason


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"retry-after", b"content-type", b"content-encoding", b"set-cookie", b"location", b"x"]
        ),
        st.sampled_from([b"gzip", ODD.partition(": ")[2].encode(), b"9" * 5_000, b"\xff\xfe"])
        | st.binary(max_size=60).filter(lambda raw: not set(raw) & {0, 10, 13}),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(st.integers(200, 999), HEADERS, st.binary(max_size=2_000))
def test_any_answer_is_an_attempt_with_its_status(
    code: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    async def attempt() -> Attempt:
        answer = httpx.Response(code, headers=headers, stream=httpx.ByteStream(body))
        guard = Guard(allow_private=True)
        transport = httpx.MockTransport(lambda _: answer)
        async with httpx.AsyncClient(transport=transport) as client:
            sender = Sender(client, guard, SystemClock(), 5.0)
            made = await sender.post("http://127.0.0.1/", {}, b"{}")
        guard.close()
        return made

    made = asyncio.run(attempt())
    assert (made.status_code, made.error) == (code, None)
    assert made.response is not None
    made.response.encode()  # it can be stored
    assert 5 * 0.9 <= (wait_before_next(1, 0.0, made.retry_after_s) or 0) <= 86_400
