"""Quotas and the throttle of logins, by a clock that moves when it is told to."""

import asyncio

import pytest

from payflow.auth.throttle import LoginThrottle
from payflow.domain.errors import InvalidCredentials
from payflow.domain.limits import Quota, RateLimited, Taken, Verdict
from payflow.settings import Environment, Settings
from payflow.storage import local_quotas
from payflow.storage.local_quotas import LocalQuotas, taken

FIVE = Quota("logins", 5, 900)


class Now:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


class InProcess:
    """``Quotas`` over the local ones."""

    def __init__(self, local: LocalQuotas) -> None:
        self.local = local

    async def take(self, quota: Quota, key: str) -> Verdict:
        return self.local.take(quota, key)

    async def take_soon(self, quota: Quota, key: str) -> Taken:
        return taken(self.local.take(quota, key))

    async def take_cheaply(self, quota: Quota, key: str) -> Taken:
        return taken(self.local.take(quota, key))

    async def look(self, quota: Quota, key: str) -> Verdict:
        await asyncio.sleep(0)  # as a real one: others come in between
        return self.local.look(quota, key)

    async def forget(self, quota: Quota, key: str) -> None:
        self.local.forget(quota, key)


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def local(now: Now) -> LocalQuotas:
    return LocalQuotas(now)


@pytest.mark.parametrize(
    ("rate", "amount", "window_s"),
    [
        ("600/minute", 600, 60),
        ("100/15minute", 100, 900),
        ("100/15minutes", 100, 900),
        ("1000000/second", 1_000_000, 1),
        ("1/hour", 1, 3_600),
        ("5/day", 5, 86_400),
    ],
)
def test_a_rate_is_read(rate: str, amount: int, window_s: int) -> None:
    assert Quota.parse("one", rate) == Quota("one", amount, window_s)


@pytest.mark.parametrize("rate", ["", "600", "0/minute", "-1/minute", "5/fortnight", "5 per day"])
def test_another_rate_is_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="no rate such as"):
        Quota.parse("one", rate)
    with pytest.raises(ValueError, match="no rate such as"):
        Settings(rate_limit_user=rate)


def test_the_window_slides(now: Now, local: LocalQuotas) -> None:
    taken = [local.take(FIVE, "alice") for _ in range(5)]
    assert [(one.passed, one.remaining) for one in taken] == [(True, 4 - n) for n in range(5)]
    now.s += 899
    refused = local.take(FIVE, "alice")
    assert (refused.passed, refused.remaining, refused.retry_after_s) == (False, 0, 1)
    assert local.take(FIVE, "bob").passed
    now.s += 1
    assert local.take(FIVE, "alice").remaining == 4


def test_looking_takes_nothing_and_forgetting_gives_all_back(local: LocalQuotas) -> None:
    assert all(local.look(FIVE, "alice").remaining == 5 for _ in range(9))
    for _ in range(5):
        local.take(FIVE, "alice")
    assert not local.look(FIVE, "alice").passed
    local.forget(FIVE, "alice")
    assert local.look(FIVE, "alice").passed


def test_what_others_counted_is_known_here(local: LocalQuotas) -> None:
    local.take(FIVE, "alice")
    local.learn(Verdict(FIVE, True, 1, 900), "alice")
    assert local.look(FIVE, "alice").remaining == 1
    local.learn(Verdict(FIVE, True, 3, 900), "alice")  # less than is known changes nothing
    assert local.look(FIVE, "alice").remaining == 1


def test_keys_are_bounded(local: LocalQuotas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_quotas, "MAX_KEYS", 3)
    for key in ("alice", "b", "c", "alice", "d"):
        local.take(FIVE, key)
    assert local.look(FIVE, "alice").remaining == 3
    assert local.look(FIVE, "b").remaining == 5


async def attempt(throttle: LoginThrottle, right: bool, address: str = "192.0.2.1") -> str:
    try:
        async with throttle.attempt("alice@example.com", address):
            await asyncio.sleep(0)
            if not right:
                raise InvalidCredentials
    except (InvalidCredentials, RateLimited) as refusal:
        return refusal.code
    return "in"


async def test_the_sixth_wrong_password_is_not_looked_at(now: Now, local: LocalQuotas) -> None:
    throttle = LoginThrottle(InProcess(local), FIVE)
    assert [await attempt(throttle, False) for _ in range(5)] == ["invalid_credentials"] * 5
    assert await attempt(throttle, False) == "rate_limited"
    assert await attempt(throttle, True) == "rate_limited"
    assert await attempt(throttle, True, "192.0.2.2") == "in"
    now.s += 900
    assert await attempt(throttle, True) == "in"


async def test_a_right_password_makes_up_for_wrong_ones(local: LocalQuotas) -> None:
    throttle = LoginThrottle(InProcess(local), FIVE)
    for _ in range(3):
        assert [await attempt(throttle, False) for _ in range(4)] == ["invalid_credentials"] * 4
        assert await attempt(throttle, True) == "in"


async def test_guesses_side_by_side_are_no_more(local: LocalQuotas) -> None:
    throttle = LoginThrottle(InProcess(local), FIVE)
    guesses = await asyncio.gather(*(attempt(throttle, False) for _ in range(50)))
    assert sorted(guesses) == ["invalid_credentials"] * 5 + ["rate_limited"] * 45
    many = LoginThrottle(InProcess(LocalQuotas()), FIVE)
    assert set(await asyncio.gather(*(attempt(many, True) for _ in range(50)))) == {"in"}


async def test_without_a_quota_nothing_is_counted(local: LocalQuotas) -> None:
    throttle = LoginThrottle(InProcess(local), None)
    assert [await attempt(throttle, False) for _ in range(9)] == ["invalid_credentials"] * 9


def test_how_wide_limits_are() -> None:
    def amounts(**given: object) -> list[int | None]:
        settings = Settings.model_validate({"env": Environment.DEV, **given})
        quotas = [settings.quota(one) for one in ("transfers", "user", "anonymous", "logins")]
        return [quota.amount if quota else None for quota in quotas]

    assert amounts() == [600_000, 6_000_000, 100_000, 5]
    assert amounts(rate_limit_transfers="100/hour") == [100, 6_000_000, 100_000, 5]
    assert amounts(rate_limit_enabled=True) == [600, 6_000, 100, 5]
    assert amounts(rate_limit_enabled=False, rate_limit_transfers="100/hour") == [None] * 4


def test_limits_before_sign_in_are_as_the_anonymous_one_unless_set() -> None:
    def quotas(**given: object) -> list[tuple[str, int]]:
        settings = Settings.model_validate({"env": Environment.DEV, **given})
        found = [settings.quota(one) for one in ("sign_ins", "registrations", "refreshes")]
        return [(one.name, one.amount) for one in found if one]

    names = ["sign_ins", "registrations", "refreshes"]
    assert quotas() == [(name, 100_000) for name in names]
    assert quotas(rate_limit_enabled=True) == [(name, 100) for name in names]
    assert quotas(rate_limit_anonymous="7/hour") == [(name, 7) for name in names]
    narrow = quotas(rate_limit_anonymous="7/hour", rate_limit_sign_ins="3/hour")
    assert narrow == [("sign_ins", 3), ("registrations", 7), ("refreshes", 7)]
