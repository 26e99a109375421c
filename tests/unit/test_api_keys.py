"""API keys: a form that betrays a slip of the hand, and a life that ends when it is said to."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from api.scopes import scope_for
from payflow.auth import api_keys
from payflow.auth.api_keys import KeyRing, NewApiKey, is_whole, new_key
from payflow.domain.api_keys import (
    ApiKeyExpired,
    ApiKeyExpiryInvalid,
    ApiKeyInvalid,
    ApiKeyLimitReached,
    ApiKeyRevoked,
    Scope,
)
from payflow.domain.errors import AccountDeactivated, TokenInvalid
from payflow.domain.users import Principal, Role
from tests.unit.test_admission import ALICE, Door
from tests.unit.test_security_headers import production

VIEWER = Principal(ALICE.id, Role.USER)
WANTED = NewApiKey("The shop", (Scope.TRANSFERS_WRITE,))


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def one_wrong(key: str, place: int) -> str:
    other = "A" if key[place] != "A" else "B"
    return key[:place] + other + key[place + 1 :]


@pytest.mark.parametrize("prefix", ["pf_live_", "pf_test_"])
def test_a_slip_of_the_hand_is_seen(prefix: str) -> None:
    key = new_key(prefix)
    assert len(key) == 44
    assert is_whole(key)
    slips = [one_wrong(key, place) for place in range(len(key))]
    slips += ["", key[:-1], key + "0", " " + key, key.swapcase()]
    assert not [slip for slip in slips if is_whole(slip)]


def test_a_known_key_keeps_its_checksum() -> None:
    assert is_whole("pf_test_" + "0" * 30 + api_keys._checksum("pf_test_" + "0" * 30))
    assert api_keys._checksum("") == "000000"


async def test_a_key_opens_what_it_was_made_for_and_nothing_of_an_operators(door: Door) -> None:
    door.account.user = replace(ALICE, role=Role.OPERATOR)
    key, text = await door.key_ring.make(VIEWER, WANTED)
    visitor = await door.admission.admit(text)
    assert visitor.principal == VIEWER
    assert visitor.scopes == (Scope.TRANSFERS_WRITE,)
    assert (await door.keys.get(key.id, VIEWER)).last_used_at == door.clock.now()
    assert text.startswith(key.hint)
    assert text not in str(door.keys.kept)


async def test_a_key_ends(door: Door) -> None:
    _, text = await door.key_ring.make(VIEWER, WANTED)
    door.clock.move(timedelta(days=90) - timedelta(milliseconds=1))
    assert await door.admission.admit(text)
    door.admission.forget(ALICE.id)
    door.clock.move(timedelta(milliseconds=1))
    with pytest.raises(ApiKeyExpired):
        await door.admission.admit(text)
    revoked, other = await door.key_ring.make(VIEWER, WANTED)
    assert await door.key_ring.open(other)
    await door.keys.revoke(revoked.id, VIEWER, door.clock.now())
    with pytest.raises(ApiKeyRevoked):
        await door.key_ring.open(other)


async def test_who_shows_a_key_of_nobody_is_not_let_in(door: Door, tmp_path: Path) -> None:
    _, text = await door.key_ring.make(VIEWER, WANTED)
    for wrong in (new_key("pf_test_"), text[:-1], text + "x", "pf_test_", new_key("pf_live_")):
        with pytest.raises(ApiKeyInvalid):
            await door.admission.admit(wrong)
    door.account.user = replace(ALICE, active=False)
    with pytest.raises(AccountDeactivated):
        await door.admission.admit(text)
    door.account.user = None
    with pytest.raises(TokenInvalid):
        await door.admission.admit(text)


async def test_a_key_is_made_for_a_time_and_not_without_end(door: Door) -> None:
    now = door.clock.now()
    for days in (0, -1, 367):
        with pytest.raises(ApiKeyExpiryInvalid):
            await door.key_ring.make(VIEWER, replace(WANTED, expires_at=now + timedelta(days=days)))
    for days in (1, 366):
        wanted = replace(WANTED, expires_at=now + timedelta(days=days))
        key, _ = await door.key_ring.make(VIEWER, wanted)
        assert key.expires_at == wanted.expires_at


async def test_one_user_has_so_many_keys(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MAX_KEYS", 2)
    (first, _), _ = [await door.key_ring.make(VIEWER, WANTED) for _ in range(2)]
    with pytest.raises(ApiKeyLimitReached):
        await door.key_ring.make(VIEWER, WANTED)
    assert await door.key_ring.make(Principal("usr_BOB", Role.USER), WANTED)
    await door.keys.revoke(first.id, VIEWER, door.clock.now())
    assert await door.key_ring.make(VIEWER, WANTED)


async def test_a_key_is_for_one_environment(door: Door) -> None:
    live = KeyRing(door.keys, door.clock, production())
    _, live_key = await live.make(VIEWER, WANTED)
    _, test_key = await door.key_ring.make(VIEWER, WANTED)
    assert await live.open(live_key)
    assert await door.key_ring.open(test_key)
    with pytest.raises(ApiKeyInvalid, match="pf_live_"):
        await live.open(test_key)
    with pytest.raises(ApiKeyInvalid, match="pf_test_"):
        await door.key_ring.open(live_key)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/transfers", "transfers:read"),
        ("HEAD", "/v1/transfers/trf_1", "transfers:read"),
        ("POST", "/v1/transfers", "transfers:write"),
        ("GET", "/v1/transfers/trf_1/events", "transfers:read"),
        ("POST", "/v1/wallets/wal_1/deposits", "wallets:write"),
        ("DELETE", "/v1/webhook-endpoints/whe_1", "webhooks:write"),
        ("POST", "/v1/webhook-deliveries/whd_1/resend", "webhooks:write"),
        ("GET", "/v1/events/stream", "events:read"),
        ("POST", "/v1/events", None),
        ("GET", "/v1/transfersandmore", None),
        ("GET", "/v1/auth/me", None),
        ("POST", "/v1/api-keys", None),
        ("GET", "/v1/users", None),
        ("PUT", "/v1/simulation", None),
        ("POST", "/codec/decode", None),
        ("GET", "/", None),
    ],
)
def test_what_is_not_in_the_table_is_closed_to_keys(
    method: str, path: str, scope: str | None
) -> None:
    assert scope_for(method, path) == scope
