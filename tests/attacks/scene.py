"""What every attack is given: the stack, a client of it, its database and an operator."""

import asyncio
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from cli.stack import EmbeddedStack
from tests.e2e.auditing import Database
from tests.e2e.bank import Bank, Person


@dataclass(frozen=True)
class Scene:
    """The stack under attack. Attacks go to its first API."""

    stack: EmbeddedStack
    bank: Bank
    database: Database
    operator: Person

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the attacked API."""
        parts = urlsplit(self.stack.addresses.api_url)
        return str(parts.hostname), int(parts.port or 0)

    @property
    def url(self) -> str:
        """Base URL of the attacked API."""
        return self.stack.addresses.api_url


class Attack(Protocol):
    """One attack. ``prepare`` runs before the load, ``judge`` after it."""

    async def prepare(self) -> None:
        """Make the accounts and objects it needs."""
        ...

    async def play(self, over: asyncio.Event) -> None:
        """Attack until ``over`` is set."""
        ...

    async def judge(self) -> None:
        """Assert that the attack did what it could, and gained nothing."""
        ...


async def pause(over: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until ``over`` is set."""
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        return
