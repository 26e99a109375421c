"""Quotas that tell the observer when one was used up."""

from typing import TypeVar

from payflow.domain.limits import Quota, Quotas, Taken, Verdict
from payflow.domain.observing import Observer

T = TypeVar("T", Verdict, Taken)


class CountedQuotas:
    """The ``Quotas`` port over another."""

    def __init__(self, quotas: Quotas, observer: Observer) -> None:
        self._quotas = quotas
        self._observer = observer

    async def take(self, quota: Quota, key: str) -> Verdict:
        """Take one, exactly counted."""
        return self._told(quota, await self._quotas.take(quota, key))

    async def take_soon(self, quota: Quota, key: str) -> Taken:
        """Take one, exactly counted."""
        return self._told(quota, await self._quotas.take_soon(quota, key))

    async def take_cheaply(self, quota: Quota, key: str) -> Taken:
        """Take one, counted in blocks."""
        return self._told(quota, await self._quotas.take_cheaply(quota, key))

    async def look(self, quota: Quota, key: str) -> Verdict:
        """Whether one could be taken."""
        return self._told(quota, await self._quotas.look(quota, key))

    async def forget(self, quota: Quota, key: str) -> None:
        """Give back all that was taken under the key."""
        await self._quotas.forget(quota, key)

    def _told(self, quota: Quota, found: T) -> T:
        if not found.passed:
            self._observer.rate_limited(quota.name)
        return found
