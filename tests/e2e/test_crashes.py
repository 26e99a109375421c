"""Whatever dies between two legs: one effect, and the books balance meanwhile."""

import pytest

from cli.stack import EmbeddedStack
from tests.e2e.auditing import Database, check_the_books, check_the_sums
from tests.e2e.bank import Bank, Person
from tests.e2e.gaps import go_on, held_in_every_gap, stand_there


def victims(stack: EmbeddedStack, role: str) -> list[str]:
    """The children that do the role's work; the all-in-one process does both."""
    if "serve" in stack.names:
        return ["serve"]
    return [name for name in stack.names if name.split("-")[0] == role]


async def kill_all(stack: EmbeddedStack, role: str) -> None:
    """SIGKILL every process of the role at once, and wait until others took their place."""
    pids = {name: stack.kill(name) for name in victims(stack, role)}
    for name, pid in pids.items():
        await stack.wait_restarted(name, pid)


# in the all-in-one layout one process is API and worker, and dies as both
LAYOUT_AND_ROLE = [("pair", "worker"), ("pair", "api"), ("single", "serve")]


@pytest.mark.chaos
@pytest.mark.parametrize(("stack", "role"), LAYOUT_AND_ROLE, indirect=["stack"])
async def test_kill_9_between_two_legs(
    bank: Bank, operator: Person, database: Database, stack: EmbeddedStack, role: str
) -> None:
    every = await held_in_every_gap(bank, operator)
    await kill_all(stack, role)
    await stand_there(bank, every)  # it was killed between two legs of each
    await check_the_sums(database)
    await go_on(bank, operator, every)
    for held in every:
        ended = await bank.ended(held.alice, held.id)
        expected = ("failed", True) if held.goes_home else ("completed", False)
        assert (ended["status"], ended["refunded"]) == expected, held
        paid = (100, 0) if held.goes_home else (0, 100)
        assert (await bank.balance(held.alice), await bank.balance(held.bob)) == paid, held
    await check_the_books(database)
