"""Open requests are checked again together; what cannot be read ends none but expired ones."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from typing import cast

import pytest

from api import access_watch
from api.access_watch import AccessWatch
from payflow.auth.admission import Admission, Visitor
from payflow.domain.errors import (
    AccountDeactivated,
    BooksUnavailable,
    PayflowError,
    TokenExpired,
)
from payflow.domain.users import Principal, Role

VISITORS = [
    Visitor(Principal(f"usr_{number}", Role.USER), f"session-{number}", 0) for number in range(100)
]
FIRST, SECOND, *_ = VISITORS


class ByHand:
    """What an admission says, as a test has it."""

    def __init__(self) -> None:
        self.refused: dict[Visitor, PayflowError] = {}
        self.ended: set[Visitor] = set()
        self.is_away = False
        self.reads = 0

    async def refusals(self, visitors: Collection[Visitor]) -> Mapping[Visitor, PayflowError]:
        self.reads += 1
        if self.is_away:
            raise BooksUnavailable
        return {one: why for one, why in self.refused.items() if one in visitors}

    def expired(self, visitor: Visitor) -> PayflowError | None:
        return TokenExpired() if visitor in self.ended else None


@pytest.fixture
def admission(monkeypatch: pytest.MonkeyPatch) -> ByHand:
    monkeypatch.setattr(access_watch, "CHECK_EVERY_S", 0.05)
    return ByHand()


async def test_all_open_requests_are_checked_in_one_read(admission: ByHand) -> None:
    watch = AccessWatch(cast(Admission, admission))
    admission.refused = {FIRST: AccountDeactivated()}
    with ExitStack() as opened:
        requests = [opened.enter_context(watch.watching(one)) for one in VISITORS]
        await asyncio.wait_for(requests[0].refused(), 2)
        assert admission.reads == 1
        assert [one.is_refused for one in requests] == [True] + [False] * 99
    read = admission.reads
    await asyncio.sleep(0.2)
    assert admission.reads <= read + 1  # nothing is open: nothing is read


async def test_without_mongodb_expired_requests_end_and_others_go_on(admission: ByHand) -> None:
    watch = AccessWatch(cast(Admission, admission))
    admission.is_away, admission.ended = True, {FIRST}
    with watch.watching(FIRST) as first, watch.watching(SECOND) as second:
        await asyncio.wait_for(first.refused(), 2)
        assert isinstance(first.refusal, TokenExpired)
        await asyncio.sleep(0.1)
        assert not second.is_refused
        admission.is_away = False
        admission.refused = {SECOND: AccountDeactivated()}
        await asyncio.wait_for(second.refused(), 2)
