"""Whatever dies between two legs: one effect, and the books balance meanwhile."""

import pytest

from cli.stack import EmbeddedStack
from tests.e2e.auditing import Database, check_the_books, check_the_sums
from tests.e2e.bank import Bank, Person
from tests.e2e.gaps import GAPS, held_before


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
@pytest.mark.parametrize(("step", "state"), GAPS)
async def test_kill_9_between_two_legs(
    bank: Bank,
    operator: Person,
    database: Database,
    stack: EmbeddedStack,
    role: str,
    step: str,
    state: str,
) -> None:
    alice, bob, sent = await held_before(bank, operator, step, state)
    await kill_all(stack, role)
    between = await bank.transfer(alice, sent["id"])
    assert between["status"] == state  # it was killed between two legs, and stands there
    await check_the_sums(database)
    await bank.end_rehearsal(operator)
    ended = await bank.ended(alice, sent["id"])
    expected = ("failed", True) if step == "refund" else ("completed", False)
    assert (ended["status"], ended["refunded"]) == expected
    paid = (100, 0) if step == "refund" else (0, 100)
    assert (await bank.balance(alice), await bank.balance(bob)) == paid
    await check_the_books(database)
