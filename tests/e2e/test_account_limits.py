"""Whatever one caller can make or ask has a limit; it is refused with what to do, others go on."""

from collections.abc import AsyncIterator

import pytest

from cli.doctor.examination import examine
from cli.doctor.rows import Verdict
from cli.stack import EmbeddedStack, StackOptions
from payflow.settings import Settings
from tests.conftest import TEST_ENV
from tests.e2e.bank import Bank

ENV = {
    **TEST_ENV,
    "PAYFLOW_RATE_LIMIT_ENABLED": "true",
    "PAYFLOW_RATE_LIMIT_ANONYMOUS": "100000/hour",
}


@pytest.fixture(scope="module")
async def limited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """Limits as in production, but for anonymous callers; no proxy is named."""
    options = StackOptions(tmp_path_factory.mktemp("limited"), env=ENV)
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def stack(limited: EmbeddedStack) -> EmbeddedStack:
    return limited


async def test_a_proxy_that_is_not_named_is_warned_of_once_and_shown_by_the_doctor(
    bank: Bank, stack: EmbeddedStack
) -> None:
    settings = Settings(mongo_url=stack.addresses.mongo_url, redis_url=stack.addresses.redis_url)
    (before,) = await examine(settings, only=["proxies"])
    assert (before.verdict, before.found) == (Verdict.GREEN, "trusted: none")
    for _ in range(3):
        forwarded = {"X-Forwarded-For": "203.0.113.7"}
        assert (await bank.ask("GET", "/v1/auth/me", headers=forwarded)).status_code == 401
    (after,) = await examine(settings, only=["proxies"])
    assert after.verdict is Verdict.YELLOW
    assert "127.0.0.1" in after.found
    assert "PAYFLOW_TRUSTED_PROXIES" in after.fix
    logged = (stack.data_dir / "logs" / "serve.log").read_text()
    assert logged.count("is not in PAYFLOW_TRUSTED_PROXIES") == 1
    assert "proxies whose X-Forwarded-For is believed: none" in logged
