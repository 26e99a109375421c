"""Admission: the account decides, and what it said is remembered for seconds only."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from payflow.auth import admission
from payflow.auth.admission import Admission
from payflow.auth.api_keys import KeyRing
from payflow.auth.keys import load_keys
from payflow.auth.tokens import AccessTokens
from payflow.domain.access import AccessState, RoleChanged
from payflow.domain.errors import AccountDeactivated, TokenExpired, TokenInvalid, TokenRevoked
from payflow.domain.users import Role, User
from payflow.settings import Settings
from tests.fakes import START, StandingClock
from tests.fakes_access import KeysInMemory

ALICE = User("usr_ALICE", "alice@example.com", "Alice", START)


class OneAccount:
    """Access records of one account, which count how often they are read."""

    def __init__(self) -> None:
        self.user: User | None = ALICE
        self.revoked: set[str] = set()
        self.looks = 0

    async def read(self, user_ids: Collection[str], session_ids: Collection[str]) -> AccessState:
        self.looks += 1
        revoked = frozenset(self.revoked.intersection(session_ids))
        if self.user is None or self.user.id not in user_ids:
            return AccessState(revoked=revoked)
        off = frozenset() if self.user.active else frozenset({self.user.id})
        return AccessState({self.user.id: self.user.role}, off, revoked)


class Door:
    """An admission with everything behind it."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder)
        self.clock = StandingClock()
        self.account = OneAccount()
        self.tokens = AccessTokens(load_keys(settings), settings, self.clock)
        self.keys = KeysInMemory()
        self.key_ring = KeyRing(self.keys, self.clock, settings)
        self.admission = Admission(self.tokens, self.key_ring, self.account, self.clock)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


async def test_the_role_is_the_accounts_not_the_tokens(door: Door) -> None:
    token = door.tokens.issue(replace(ALICE, role=Role.OPERATOR), "family")
    visitor = await door.admission.admit(token)
    assert not visitor.principal.is_operator
    assert (visitor.principal.user_id, visitor.session_id) == (ALICE.id, "family")


async def test_a_busy_client_costs_one_look(door: Door) -> None:
    token = door.tokens.issue(ALICE, "family")
    for _ in range(10):
        await door.admission.admit(token)
    assert door.account.looks == 1


async def test_a_deactivated_account_is_out_once_it_is_looked_at_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "REMEMBERED_FOR_S", 0.05)
    token = door.tokens.issue(ALICE, "family")
    assert await door.admission.admit(token)
    door.account.user = replace(ALICE, active=False)
    assert await door.admission.admit(token)
    await asyncio.sleep(0.06)
    with pytest.raises(AccountDeactivated):
        await door.admission.admit(token)


async def test_forgetting_a_user_looks_at_once_and_at_nobody_else(door: Door) -> None:
    token = door.tokens.issue(ALICE, "family")
    await door.admission.admit(token)
    door.admission.forget("usr_BOB")
    await door.admission.admit(token)
    assert door.account.looks == 1
    door.account.user = replace(ALICE, active=False)
    door.admission.forget(ALICE.id)
    with pytest.raises(AccountDeactivated):
        await door.admission.admit(token)


async def test_a_token_of_nobody_is_invalid(door: Door) -> None:
    token = door.tokens.issue(ALICE, "family")
    door.account.user = None
    with pytest.raises(TokenInvalid):
        await door.admission.admit(token)


async def test_no_token_is_remembered_beyond_its_end(door: Door) -> None:
    token = door.tokens.issue(ALICE, "family")
    door.clock.move(timedelta(seconds=899, milliseconds=950))
    assert await door.admission.admit(token)
    door.clock.move(timedelta(milliseconds=50))
    await asyncio.sleep(0.06)
    with pytest.raises(TokenExpired):
        await door.admission.admit(token)


async def test_what_is_remembered_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "REMEMBERED_TOKENS", 3)
    tokens = [door.tokens.issue(ALICE, f"family-{n}") for n in range(4)]
    for token in tokens:
        await door.admission.admit(token)
    await door.admission.admit(tokens[3])
    assert door.account.looks == 4
    await door.admission.admit(tokens[0])
    assert door.account.looks == 5


async def test_of_many_open_requests_those_that_may_not_go_on_are_found_in_one_read(
    door: Door,
) -> None:
    families = ("ended", "lasting", "operator's")
    ended, lasting, operators = [
        await door.admission.admit(door.tokens.issue(ALICE, family)) for family in families
    ]
    operators = replace(operators, principal=replace(operators.principal, role=Role.OPERATOR))
    door.account.revoked = {"ended"}
    before = door.account.looks
    refusals = await door.admission.refusals({ended, lasting, operators})
    assert {one: type(why) for one, why in refusals.items()} == {
        ended: TokenRevoked,
        operators: RoleChanged,
    }
    assert door.account.looks == before + 1
    door.clock.move(timedelta(hours=1))
    assert isinstance(door.admission.expired(lasting), TokenExpired)
