"""An operator finds the broken sagas in the Temporal UI, and repairs one there.

With PAYFLOW_SCREENSHOTS set, what is seen on the way goes into docs/img.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from temporal.queries import CANNOT_RUN, PARKED, SavedQuery
from tests.e2e.auditing import check_the_books
from tests.e2e.bank import Json
from tests.e2e.conftest import new_operator
from tests.stuck.sagas import Stuck, stuck_stack
from tests.ui.browser import TemporalUi, browser

PICTURES = Path(__file__).parents[2] / "docs" / "img"
OLIVIA = "olivia@example.com"
ORDER = {"operator": OLIVIA, "reason": "ticket 4711: the books answer again"}


@pytest.fixture(scope="module")
async def stuck(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stuck]:
    """Twenty sagas that are well, two that are parked, one that cannot run."""
    async with stuck_stack(tmp_path_factory.mktemp("ui")) as made:
        await new_operator(made.stack, made.bank, OLIVIA)
        yield made


@pytest.fixture(scope="module")
def ui(stuck: Stuck) -> Iterator[TemporalUi]:
    with browser(stuck.stack.addresses.temporal_ui_url) as opened:
        yield opened


def keep(name: str) -> Path | None:
    return PICTURES / name if os.environ.get("PAYFLOW_SCREENSHOTS") else None


async def listed(ui: TemporalUi, saved: SavedQuery, *transfers: Json) -> None:
    """The saved query lists these and no others."""
    wanted = {one["workflow_id"] for one in transfers}
    assert await asyncio.to_thread(ui.listed, saved.query, len(wanted)) == wanted


def retry(ui: TemporalUi, workflow_id: str) -> None:
    """What an operator does: open the saga, fill in the dialog, submit."""
    ui.open(workflow_id)
    if path := keep("temporal-saga.png"):
        ui.picture(path)
    ui.fill_in_update("retry", ORDER)
    if path := keep("temporal-update.png"):
        ui.picture_of_dialog(path)
    ui.submit_update()


async def test_operators_find_and_repair_sagas_in_the_browser(stuck: Stuck, ui: TemporalUi) -> None:
    refund, post, bug = stuck.broken
    await listed(ui, CANNOT_RUN, bug)
    await listed(ui, PARKED, refund, post)
    if path := keep("temporal-parked.png"):
        await asyncio.to_thread(ui.picture, path)

    await stuck.bank.end_rehearsal(stuck.operator)
    await asyncio.to_thread(retry, ui, post["workflow_id"])

    ended = await stuck.bank.ended(stuck.alice, post["id"], within_s=20)
    assert (ended["status"], ended["needs_attention"]) == ("completed", False)
    act = await stuck.database.operator_acts.find_one({"transfer_id": post["id"]})
    assert act is not None
    assert (act["operator"], act["verb"], act["reason"]) == ("temporal", "retry", ORDER["reason"])
    olivia = await stuck.database.users.find_one({"email": OLIVIA})
    assert olivia is not None
    assert act["claimed_operator"] == olivia["_id"]
    await listed(ui, PARKED, refund)
    await check_the_books(stuck.database)
