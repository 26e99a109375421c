"""How much one account may ask of what costs more than a request: a quota each, over all processes.

The general limit of a user (6000 a minute) is for cheap calls. Each quota here has its reason
beside it. As every limit, they are a thousand times as wide in dev and test.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from payflow.domain.errors import ItemsRefused, RecipientNotFound
from payflow.domain.limits import Quota, Quotas, RateLimited, Verdict
from payflow.domain.ports import TransferOrder
from payflow.settings import Settings

_MINUTE, _HOUR = 60, 3_600

# Each writes a journal entry, an event and a delivery, all of them kept.
TEST_EVENTS = Quota("test_events", 60, _HOUR)
# Each starts up to ten attempts anew.
RESENDS = Quota("resends", 300, _HOUR)
# Each reads up to 20,000 events and starts up to 1,000 deliveries.
REPLAYS = Quota("replays", 30, _HOUR)
# Each resolves a name, or writes every delivery that the endpoint still waits for.
ENDPOINT_CHANGES = Quota("endpoint_changes", 200, _HOUR)
# 50 keys are good at once, and revoked ones stay on record.
API_KEYS = Quota("api_keys", 100, _HOUR)
# Each is two argon2 hashes, and a process computes two at a time, sign-ins among them.
PASSWORD_CHANGES = Quota("password_changes", 10, 15 * _MINUTE)
# A timeline asks Temporal for every run's history, a receipt reads a whole period's leaves.
REPORTS = Quota("reports", 120, _MINUTE)
# Each brings up to 10,000 items.
BATCHES = Quota("batches", 60, _MINUTE)
# Who asks for addresses that have no account learns which have one.
UNKNOWN_RECIPIENTS = Quota("unknown_recipients", 50, _HOUR)


class AccountLimits:
    """Takes from the quotas of accounts, as they hold in this environment."""

    def __init__(self, quotas: Quotas, settings: Settings) -> None:
        self._quotas = quotas
        self._settings = settings

    async def take(self, quota: Quota, user_id: str) -> None:
        """Count one call of the account, or raise ``RateLimited``."""
        in_force = self._settings.in_force(quota)
        if in_force is not None:
            _check(await self._quotas.take(in_force, user_id))

    def recipients(
        self, payer_id: str, orders: Iterable[TransferOrder]
    ) -> AbstractAsyncContextManager[None]:
        """Around the acceptance of some orders: count the addresses that turn out unknown.

        Once the quota is used up no order to an address is looked at, so known and unknown ones
        get the same answer; wallets are paid by their ids as before.

        Raises:
            RateLimited: before, or instead of telling which addresses are unknown.
        """
        emails = [order.destination_email for order in orders]
        in_force = self._settings.in_force(UNKNOWN_RECIPIENTS) if any(emails) else None
        return nullcontext() if in_force is None else self._counting(in_force, payer_id, emails)

    @asynccontextmanager
    async def _counting(
        self, in_force: Quota, payer_id: str, emails: list[str | None]
    ) -> AsyncIterator[None]:
        _check(await self._quotas.look(in_force, payer_id))
        try:
            yield
        except (RecipientNotFound, ItemsRefused) as refused:
            # one by one, until none is left: a batch that asks for more uses up what there is
            for _ in range(_unknown(refused, emails)):
                _check(await self._quotas.take(in_force, payer_id))
            raise


def _check(verdict: Verdict) -> None:
    if not verdict.passed:
        raise RateLimited(verdict)


def _unknown(refused: RecipientNotFound | ItemsRefused, emails: list[str | None]) -> int:
    """How many different addresses the refusal would tell to be unknown."""
    if isinstance(refused, RecipientNotFound):
        return 1
    found = (one for one in refused.problems if isinstance(one.reason, RecipientNotFound))
    return len({emails[one.index] for one in found})
