"""An operator finds the broken sagas in the Temporal UI, and repairs them there.

With PAYFLOW_SCREENSHOTS set, what is seen on the way goes into docs/img.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from cli.stack import EmbeddedStack
from temporal.messages import OperatorOrder
from temporal.names import NEEDS_ATTENTION
from tests.conftest import ALL_IN_ONE, stack_in
from tests.e2e.auditing import books_of, check_the_books
from tests.e2e.bank import Bank, Json, Person, bank_of
from tests.e2e.conftest import new_operator
from tests.ui.browser import TemporalUi, browser

PARKED = f"{NEEDS_ATTENTION.name} = true"
GOOD = 6
PICTURES = Path(__file__).parents[2] / "docs" / "img"
PICTURE_BYTES = 150_000
OLIVIA = "olivia@example.com"
ORDER = asdict(OperatorOrder(OLIVIA, "ticket 4711: the bank confirms"))


@dataclass(frozen=True)
class Broken:
    """A stack with sagas that are well and sagas that are parked at their credit."""

    stack: EmbeddedStack
    bank: Bank
    operator: Person
    alice: Person
    ids: tuple[str, ...]

    async def fail(self, *transfer_ids: str) -> None:
        """Let the credit of these alone fail from now on."""
        rule: Json = {"step": "credit", "failure_type": "error", "failure_rate": 1}
        await self.bank.rehearse(self.operator, {**rule, "transfer_ids": list(transfer_ids)})


@pytest.fixture(scope="module")
async def broken(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broken]:
    async with stack_in(tmp_path_factory.mktemp("ui"), ALL_IN_ONE) as stack, bank_of(stack) as bank:
        operator = await new_operator(stack, bank, OLIVIA)
        alice, bob = await bank.funded(100_000), await bank.person("bob")
        rule = {"step": "credit", "failure_type": "error", "failure_rate": 1}
        await bank.rehearse(operator, rule)
        ids = tuple([(await bank.send(alice, bob, 1_250))["id"] for _ in range(4)])
        made = Broken(stack, bank, operator, alice, ids)
        await made.fail(*ids)
        for _ in range(GOOD):
            await bank.send(alice, bob, 100, wait_s=20)
        async with asyncio.timeout(60):
            for one in ids:
                while not (await bank.transfer(alice, one))["needs_attention"]:
                    await asyncio.sleep(0.2)
        yield made


@pytest.fixture(scope="module")
def ui(broken: Broken) -> Iterator[TemporalUi]:
    with browser(broken.stack.addresses.temporal_ui_url) as opened:
        yield opened


def keep(name: str) -> Path | None:
    return PICTURES / name if os.environ.get("PAYFLOW_SCREENSHOTS") else None


async def listed(ui: TemporalUi, transfer_ids: set[str]) -> None:
    """The saved query lists these and no others."""
    wanted = {f"transfer/{one}" for one in transfer_ids}
    assert await asyncio.to_thread(ui.listed, PARKED, len(wanted)) == wanted


def repair(ui: TemporalUi, transfer_id: str, verb: str, *, picture: bool = False) -> None:
    """What an operator does: open the saga, fill in the dialog, submit."""
    ui.open(f"transfer/{transfer_id}")
    if picture and (path := keep("temporal-saga.png")):
        ui.picture(path)
    ui.fill_in_update(verb, ORDER)
    if picture and (path := keep("temporal-update.png")):
        ui.picture_of_dialog(path)
    ui.submit_update()


async def test_operators_find_and_repair_parked_sagas_in_the_browser(
    broken: Broken, ui: TemporalUi
) -> None:
    cured, given_back, *others = broken.ids
    await listed(ui, set(broken.ids))
    if path := keep("temporal-parked.png"):
        await asyncio.to_thread(ui.picture, path)

    # its cause is gone: it is tried again now, and not in a minute
    await broken.fail(given_back, *others)
    await asyncio.to_thread(repair, ui, cured, "retry", picture=True)
    ended = await broken.bank.ended(broken.alice, cured, within_s=20)
    assert (ended["status"], ended["needs_attention"]) == ("completed", False)
    await listed(ui, {given_back, *others})

    # its cause stays: the money goes home
    await asyncio.to_thread(repair, ui, given_back, "refund")
    ended = await broken.bank.ended(broken.alice, given_back, within_s=20)
    assert (ended["status"], ended["refunded"]) == ("failed", True)
    await listed(ui, set(others))

    async with books_of(broken.stack) as database:
        await check_the_books(database)


@pytest.mark.parametrize("name", ["temporal-parked", "temporal-saga", "temporal-update"])
def test_a_picture_is_kept_and_small(name: str) -> None:
    assert 1_000 < (PICTURES / f"{name}.png").stat().st_size < PICTURE_BYTES
