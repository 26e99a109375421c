"""Each row's verdict, from facts a test cannot bring about on a server it shares."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from cli.doctor.command import as_document, exit_code, show
from cli.doctor.flow import MANY_PENDING, parked_row, relay_row, webhook_row
from cli.doctor.mongo import Oplog, no_set_row, oplog_row, set_row, version_row
from cli.doctor.others import clock_row, redis_row, stuck_row, temporal_row, unknown_row
from cli.doctor.proof import proof_row
from cli.doctor.proxies import proxy_row
from cli.doctor.receipts import receipt_row
from cli.doctor.rows import Check, Row, Verdict, green, lasting, red, yellow
from payflow.domain.observing import Proven
from payflow.domain.receipt_ports import SealedRoot
from payflow.domain.receipts import Period
from payflow.storage.standing import ParkedStanding, RelayStanding, WebhookStanding
from temporal.queries import PARKED
from tests.fakes import START

GREEN, YELLOW, RED = Verdict.GREEN, Verdict.YELLOW, Verdict.RED


@pytest.mark.parametrize(
    ("version", "verdict"), [("6.0.5", GREEN), ("8.2.1", GREEN), ("5.0.9", RED)]
)
def test_an_old_mongodb(version: str, verdict: Verdict) -> None:
    assert version_row(version, 1).verdict is verdict


@pytest.mark.parametrize(
    ("version", "verdict"), [("6.2.14", GREEN), ("9.0.0", GREEN), ("5.0", RED)]
)
def test_an_old_redis(version: str, verdict: Verdict) -> None:
    assert redis_row(version, 1).verdict is verdict


@pytest.mark.parametrize(
    ("version", "verdict"), [("1.32.0", GREEN), ("1.29.1-rc.2", YELLOW), ("1.27.3", RED)]
)
def test_an_old_temporal(version: str, verdict: Verdict) -> None:
    assert temporal_row(version, "default", 1).verdict is verdict


def members(*states: str) -> dict[str, Any]:
    told = [{"name": f"host-{n}", "stateStr": state} for n, state in enumerate(states)]
    return {"set": "rs0", "members": told, "majorityVoteCount": len(states) // 2 + 1}


@pytest.mark.parametrize(
    ("states", "verdict", "names"),
    [
        (("PRIMARY",), GREEN, "host-0 PRIMARY"),
        (("PRIMARY", "SECONDARY", "SECONDARY"), GREEN, "rs0"),
        (("PRIMARY", "SECONDARY", "(not reachable/healthy)"), YELLOW, "host-2"),
        (("PRIMARY", "DOWN", "DOWN"), RED, "no majority"),
        (("SECONDARY", "SECONDARY", "DOWN"), RED, "no primary"),
    ],
)
def test_a_set_without_primary_or_majority(
    states: tuple[str, ...], verdict: Verdict, names: str
) -> None:
    row = set_row(members(*states))

    assert row.verdict is verdict
    assert names in row.found
    assert bool(row.fix) is (verdict is not GREEN)


def test_a_server_that_is_no_set() -> None:
    assert no_set_row("not running with --replSet").verdict is RED


@pytest.mark.parametrize(
    ("oplog", "verdict"),
    [(Oplog(60, 0.1), GREEN), (Oplog(90_000, 1.0), GREEN), (Oplog(600, 0.99), RED)],
)
def test_an_oplog_that_forgets_too_soon(oplog: Oplog, verdict: Verdict) -> None:
    assert oplog_row(oplog).verdict is verdict


@pytest.mark.parametrize(
    ("skew_s", "verdict"), [(0.1, GREEN), (-1.9, GREEN), (2.1, RED), (-60, RED)]
)
def test_clocks_that_differ(skew_s: float, verdict: Verdict) -> None:
    assert clock_row({"mongodb": 0.0, "redis": skew_s}).verdict is verdict


@pytest.mark.parametrize(
    ("holder", "beats", "waited_s", "verdict"),
    [
        ("host:1", True, 1, GREEN),
        ("host:1", True, 31, RED),
        ("host:1", False, 0, RED),
        (None, False, 0, RED),
    ],
)
def test_a_relay_that_is_gone_dead_or_behind(
    holder: str | None, beats: bool, waited_s: float, verdict: Verdict
) -> None:
    standing = RelayStanding(holder, 1, 1, 10, START, START + timedelta(seconds=waited_s))

    assert relay_row(standing, beats=beats).verdict is verdict


@pytest.mark.parametrize(
    ("pending", "overdue_s", "failing", "disabled", "verdict"),
    [
        (3, 10, 0, 0, GREEN),
        (3, 130, 0, 0, RED),
        (0, 0, 1, 0, YELLOW),
        (0, 0, 0, 1, YELLOW),
        (MANY_PENDING, 0, 0, 0, YELLOW),
    ],
)
def test_deliveries_nobody_comes_for(
    pending: int, overdue_s: float, failing: int, disabled: int, verdict: Verdict
) -> None:
    now = START + timedelta(seconds=overdue_s)

    assert webhook_row(WebhookStanding(pending, START, failing, disabled, now)).verdict is verdict


def test_parked_sagas_and_the_command_that_repairs_the_oldest() -> None:
    row = parked_row(ParkedStanding(2, ("trf_1", "trf_2"), START, START + timedelta(hours=3)))

    assert row.verdict is RED
    assert "2, the oldest for 3 h: trf_1, trf_2" in row.found
    assert "trf_1" in row.fix
    assert parked_row(ParkedStanding(0, (), None, START)).verdict is GREEN


def test_workflows_that_cannot_run() -> None:
    row = stuck_row(["transfer/trf_1", "transfer/trf_2", "transfer/trf_3", "transfer/trf_4"])

    assert row.verdict is RED
    assert row.found == "transfer/trf_1, transfer/trf_2, transfer/trf_3 and more"
    assert stuck_row([]).verdict is GREEN


def silent(name: str) -> Row:
    return Row(name, RED, "no answer", "", silent=True)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([green("redis", "")], 0),
        ([green("redis", ""), yellow("webhooks", "", "")], 0),
        ([green("redis", ""), red("relay", "", "")], 1),
        ([silent("mongodb"), silent("redis"), green("temporal", "")], 1),
        ([silent("mongodb"), silent("redis"), silent("temporal")], 2),
    ],
)
def test_the_exit_code(rows: list[Row], code: int) -> None:
    assert exit_code(rows) == code
    assert as_document(rows)["status"] == (
        "green" if not code and len(rows) == 1 else "yellow" if not code else "red"
    )


async def test_a_check_that_hangs_or_breaks_is_a_red_row() -> None:
    async def hangs() -> list[Row]:
        raise TimeoutError

    async def breaks() -> list[Row]:
        raise ZeroDivisionError("by zero")

    async def fine() -> list[Row]:
        return [green("one", "fine")]

    assert (await Check("one", hangs, "wait", 1).rows())[0].found == "no answer within 1 s"
    broken = (await Check("one", breaks, "mend it").rows())[0]
    assert (broken.verdict, broken.found, broken.fix) == (RED, "by zero", "mend it")
    assert await Check("one", fine, "").rows() == [green("one", "fine")]


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.52, "0.5 s"), (119, "119.0 s"), (180, "3 min"), (10_800, "3 h")]
)
def test_durations(seconds: float, told: str) -> None:
    assert lasting(seconds) == told


def test_people_see_each_row_with_its_fix_and_queries_to_copy() -> None:
    console = Console(width=100, record=True, quiet=False, file=StringIO())
    show([green("redis", "fine"), red("relay", "[bold]nobody[/bold] leads", "start one")], console)
    told = console.export_text()

    assert "✓  redis" in told
    assert "✗  relay" in told
    assert "[bold]nobody[/bold] leads" in told
    assert "start one" in told
    assert "1 green, 0 yellow, 1 red" in told
    assert PARKED.query in told


@pytest.mark.parametrize(
    ("proof", "verdict"),
    [
        (Proven("ok", 0, 7, 20.0, is_stale=False, oldest_in_transit_s=0.0), Verdict.GREEN),
        (Proven("ok", 0, 7, 200.0, is_stale=True, oldest_in_transit_s=0.0), Verdict.RED),
        (Proven("violated", 1, 7, 20.0, is_stale=False, oldest_in_transit_s=0.0), Verdict.RED),
        (Proven("violated", 1, 7, 200.0, is_stale=True, oldest_in_transit_s=0.0), Verdict.RED),
        (None, Verdict.YELLOW),
    ],
)
def test_a_proof_is_right_wrong_or_too_old(proof: Proven | None, verdict: Verdict) -> None:
    row = proof_row(proof)
    assert ("stale" in row.found) is (proof is not None and proof.is_stale)

    assert row.verdict is verdict
    assert bool(row.fix) is (verdict is not Verdict.GREEN)


@pytest.mark.parametrize(
    ("late", "verdict", "said"),
    [
        (timedelta(days=-1), GREEN, "sealed through 2026-01-31"),
        (timedelta(seconds=60), GREEN, "sealed through 2026-01-31"),
        (timedelta(minutes=5), YELLOW, "sealed through 2026-01-31; 2026-02-01 is 5 min late"),
        (timedelta(hours=3), RED, "sealed through 2026-01-31; 2026-02-01 is 3 h late"),
    ],
)
def test_a_day_is_sealed_when_it_is_due(late: timedelta, verdict: Verdict, said: str) -> None:
    february = datetime(2026, 2, 1, tzinfo=UTC)
    due = Period(february, february + timedelta(days=1))
    newest = SealedRoot({"date": "2026-01-31"}, february, 9, ())
    row = receipt_row(newest, due, due.due_at + late)

    assert (row.verdict, row.found) == (verdict, said)
    assert bool(row.fix) is (verdict is not GREEN)


def test_nothing_is_due_before_a_transfer_has_ended_and_the_first_day_is() -> None:
    assert receipt_row(None, None, START).verdict is GREEN
    due = Period(START, START + timedelta(days=1))
    row = receipt_row(None, due, due.due_at + timedelta(hours=2))
    assert (row.verdict, row.found.partition(";")[0]) == (RED, "none sealed yet")


@pytest.mark.parametrize(
    ("trusted", "peers", "verdict", "says"),
    [
        ("", (), GREEN, "trusted: none"),
        ("10.0.0.0/8", (), GREEN, "trusted: 10.0.0.0/8"),
        ("", ("192.168.1.2",), YELLOW, "192.168.1.2 (60.0 s ago)"),
    ],
)
def test_a_proxy_that_is_not_named(
    trusted: str, peers: tuple[str, ...], verdict: Verdict, says: str
) -> None:
    row = proxy_row(trusted, dict.fromkeys(peers, START), START + timedelta(minutes=1))
    assert (row.verdict, says in row.found) == (verdict, True)


@pytest.mark.parametrize(
    ("workflow_ids", "verdict"), [([], GREEN), (["transfer/trf_1", "batch/bat_1"], YELLOW)]
)
def test_workflows_whose_transfer_the_ledger_does_not_have(
    workflow_ids: list[str], verdict: Verdict
) -> None:
    row = unknown_row(workflow_ids)

    assert row.verdict is verdict
    assert all(one in row.found for one in workflow_ids)
    assert bool(row.fix) is bool(workflow_ids)
