"""An operator finds the broken sagas among the healthy ones, and repairs each of them.

The short form has five healthy ones, and does not wait until Temporal lists the one that cannot
run, which takes 20 s; ``make chaos`` has twenty and waits.
"""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from temporal.queries import (
    CANNOT_RUN,
    COMPENSATING,
    PARKED,
    RETRYING,
    by_wallet,
)
from tests.e2e.auditing import check_the_books, check_the_sums
from tests.stuck.sagas import Stuck, stuck_stack

pytestmark = pytest.mark.chaos
LONG = os.environ.get("PAYFLOW_STORM") == "long"
HEALTHY = 20 if LONG else 5


@pytest.fixture(scope="module")
async def stuck(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stuck]:
    async with stuck_stack(
        tmp_path_factory.mktemp("stuck"), HEALTHY, until_all_are_listed=LONG
    ) as made:
        yield made


async def test_the_broken_ones_are_found_and_repaired(stuck: Stuck) -> None:
    refund, post, bug = stuck.broken
    assert await stuck.listed(PARKED) == {refund["id"], post["id"]}
    assert await stuck.listed(CANNOT_RUN) in ([{bug["id"]}] if LONG else [{bug["id"]}, set()])
    assert await stuck.listed(COMPENSATING) == {refund["id"]}
    assert await stuck.listed(RETRYING) == set()
    of_carol = by_wallet(refund["source_wallet_id"])
    assert await stuck.listed(of_carol) == {refund["id"]}
    await check_the_sums(stuck.database)

    # no verb reaches a workflow that cannot run, and that is said
    answer = await stuck.bank.verb(stuck.operator, bug["id"], "refund")
    assert (answer.status_code, answer.json()["code"]) == (409, "workflow_cannot_run")

    # one from the API: the cause is mended, and it need not wait for its minute
    await stuck.mend_mongodb()
    answer = await stuck.bank.verb(stuck.operator, refund["id"], "retry")
    assert answer.status_code == 200, answer.text
    ended = await stuck.bank.ended(stuck.operator, refund["id"], within_s=10)
    assert (ended["status"], ended["refunded"]) == ("failed", True)

    # one as Temporal's UI sends it: plain JSON
    await stuck.bank.end_rehearsal(stuck.operator)
    me = {"operator": stuck.second.user_id, "reason": "the books answer again"}
    handle = stuck.temporal.get_workflow_handle(post["workflow_id"])
    assert (await handle.execute_update("retry", me))["outcome"] == "completed"

    # one by deploying the fix
    await stuck.deploy_the_fix()
    ended = await stuck.bank.ended(stuck.alice, bug["id"])
    assert ended["status"] == "completed"

    for saved in (PARKED, CANNOT_RUN, COMPENSATING, RETRYING):
        await stuck.until_listed(saved)
    await check_the_books(stuck.database)
    assert await _acts(stuck) == {
        (refund["id"], stuck.operator.user_id, "retry", "a test says so", "refunded"),
        (post["id"], "temporal", "retry", "the books answer again", "completed"),
    }


async def _acts(stuck: Stuck) -> set[tuple[Any, ...]]:
    """Who did what and why, the same in the audit log and beside the transfers."""
    acts = await stuck.database.operator_acts.find({}).to_list()
    lines = await stuck.database.audit.find(
        {"_id": {"$in": [act["_id"] for act in acts]}}
    ).to_list()
    assert all(act["at"] for act in (*acts, *lines))
    kept = {(a["transfer_id"], a["operator"], a["verb"], a["reason"], a["outcome"]) for a in acts}
    assert kept == {
        (one["subject_id"], one["actor_id"], one["verb"], one["reason"], one["outcome"])
        for one in lines
    }
    return kept
