"""Transfers, webhooks, batches and rehearsals as the contract spells them, field by field."""

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from hashlib import sha256

import pytest

from payflow.domain.batches import Batch, BatchCounts, BatchMode, BatchPlace, BatchStatus, counts_of
from payflow.domain.ledger import Leg
from payflow.domain.representation import rfc3339, transfer_object
from payflow.domain.simulation import FaultPhase, FaultRule, FaultType, Simulation
from payflow.domain.transfers import FailureCode, TransferStatus
from payflow.domain.webhooks import (
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    SealedSecret,
    delivery_object,
    endpoint_object,
    live_secrets,
)
from tests.fakes import START, transfer

LATER = START + timedelta(hours=1)
AT, THEN = "2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00.000Z"
ERROR, REJECT = FaultType.ERROR, FaultType.REJECT


def test_a_moment_is_told_in_utc() -> None:
    elsewhere = datetime(2026, 1, 1, 2, 0, 0, 1_999, timezone(timedelta(hours=2)))
    assert rfc3339(elsewhere) == "2026-01-01T00:00:00.001Z"


def test_a_moment_is_told_in_utc_wherever_the_machine_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        told = rfc3339(START)
    time.tzset()
    assert told == AT


def test_a_transfer_field_by_field() -> None:
    open_one = transfer(description="rent", metadata={"order": "7"}, updated_at=LATER)
    told = {
        "object": "transfer",
        "id": "trf_ONE",
        "status": "initiated",
        "amount": 100,
        "currency": "USD",
        "source_wallet_id": "wal_ALICE",
        "destination_wallet_id": "wal_BOB",
        "description": "rent",
        "metadata": {"order": "7"},
        "failure": None,
        "refunded": False,
        "needs_attention": False,
        "workflow_id": "transfer/trf_ONE",
        "created_at": AT,
        "updated_at": THEN,
        "completed_at": None,
    }
    assert transfer_object(open_one) == told
    failed = replace(
        open_one,
        status=TransferStatus.FAILED,
        failure=FailureCode.WALLET_FROZEN,
        refunded=True,
        needs_attention=True,
        completed_at=LATER,
    )
    assert transfer_object(failed) == {
        **told,
        "status": "failed",
        "failure": {"code": "wallet_frozen", "message": "The source wallet was frozen."},
        "refunded": True,
        "needs_attention": True,
        "completed_at": THEN,
    }


OLD, NEW = SealedSecret("k1", "old", LATER), SealedSecret("k2", "new")
ENDPOINT = Endpoint(
    "whe_1", "usr_1", "https://example.com/hook", ("*",), START, LATER, (NEW, OLD), "mine"
)


def test_an_endpoint_field_by_field() -> None:
    shut = replace(ENDPOINT, status=EndpointStatus.DISABLED, disabled_reason="gone")
    assert endpoint_object(shut) == {
        "object": "webhook_endpoint",
        "id": "whe_1",
        "url": "https://example.com/hook",
        "event_types": ["*"],
        "description": "mine",
        "status": "disabled",
        "disabled_reason": "gone",
        "created_at": AT,
        "updated_at": THEN,
    }


def test_a_secret_lives_until_its_end() -> None:
    assert live_secrets(ENDPOINT, START) == [NEW, OLD]
    assert live_secrets(ENDPOINT, LATER) == [NEW]


def test_a_delivery_field_by_field() -> None:
    attempt = Attempt(START, 7, 503, "busy", "no")
    waiting = Delivery(
        "whd_1", "evt_1", "transfer.failed", "whe_1", "usr_1", "{}", START, attempts=(attempt,)
    )
    told = {
        "object": "webhook_delivery",
        "id": "whd_1",
        "event_id": "evt_1",
        "event_type": "transfer.failed",
        "endpoint_id": "whe_1",
        "status": "pending",
        "attempts": [
            {"at": AT, "status_code": 503, "duration_ms": 7, "error": "busy", "response": "no"}
        ],
        "next_attempt_at": None,
        "created_at": AT,
    }
    assert delivery_object(waiting) == told
    again = replace(waiting, next_attempt_at=LATER, status=DeliveryStatus.SUCCEEDED)
    assert delivery_object(again) == {**told, "next_attempt_at": THEN, "status": "succeeded"}


@pytest.mark.parametrize(
    ("mode", "counts", "status"),
    [
        (BatchMode.ATOMIC, BatchCounts(2, 1, 0), BatchStatus.PROCESSING),
        (BatchMode.ATOMIC, BatchCounts(2, 0, 2), BatchStatus.FAILED),
        (BatchMode.ATOMIC, BatchCounts(2, 2, 0), BatchStatus.COMPLETED),
        (BatchMode.INDEPENDENT, BatchCounts(2, 0, 2), BatchStatus.COMPLETED),
        (BatchMode.INDEPENDENT, BatchCounts(2, 1, 1), BatchStatus.COMPLETED),
    ],
)
def test_a_batch_stands_as_its_items_do(
    mode: BatchMode, counts: BatchCounts, status: BatchStatus
) -> None:
    batch = Batch("bat_1", "usr_1", mode, counts, START, LATER)
    assert batch.status is status
    assert batch.completed_at == (None if status is BatchStatus.PROCESSING else LATER)


def test_items_are_counted_by_how_they_stand() -> None:
    assert counts_of(5, {"completed": 2, "failed": 1, "debited": 2}) == BatchCounts(5, 2, 1)
    assert counts_of(5, {}) == BatchCounts(5, 0, 0)
    assert BatchCounts(5, 2, 1).pending == 2
    assert BatchPlace("bat_1", 0, BatchMode.ATOMIC).is_bound_to_others
    assert not BatchPlace("bat_1", 0, BatchMode.STOP_ON_ERROR).is_bound_to_others


@pytest.mark.parametrize("rate", [-0.01, 1.01])
def test_a_rate_outside_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"^failure_rate must be between 0 and 1$"):
        FaultRule(Leg.DEBIT, ERROR, rate)
    assert FaultRule(Leg.DEBIT, ERROR, 0).failure_rate == 0
    assert FaultRule(Leg.DEBIT, ERROR).failure_rate == 1


def test_only_debit_and_credit_can_be_rejected() -> None:
    with pytest.raises(ValueError, match=r"^only debit and credit can be rejected$"):
        FaultRule(Leg.POST, REJECT)
    assert FaultRule(Leg.CREDIT, REJECT).step is Leg.CREDIT


def test_a_rule_concerns_its_step_and_the_transfers_it_names() -> None:
    every, one = FaultRule(Leg.DEBIT, ERROR), FaultRule(Leg.DEBIT, ERROR, transfer_ids=("trf_1",))
    assert every.concerns("trf_2", Leg.DEBIT)
    assert not every.concerns("trf_2", Leg.CREDIT)
    assert one.concerns("trf_1", Leg.DEBIT)
    assert not one.concerns("trf_2", Leg.DEBIT)
    assert not one.concerns("trf_1", Leg.CREDIT)


def test_a_rejection_is_drawn_once_from_transfer_and_step() -> None:
    share = int.from_bytes(sha256(b"trf_1:debit").digest()[:7]) / 2**56
    above, below = FaultRule(Leg.DEBIT, REJECT, share + 1e-9), FaultRule(Leg.DEBIT, REJECT, share)
    assert Simulation(True, (above,)).rejects("trf_1", Leg.DEBIT)
    assert not Simulation(True, (below,)).rejects("trf_1", Leg.DEBIT)
    assert not Simulation(False, (above,)).rejects("trf_1", Leg.DEBIT)
    assert not Simulation(True, (FaultRule(Leg.DEBIT, ERROR),)).rejects("trf_1", Leg.DEBIT)
    assert not Simulation(True, (FaultRule(Leg.CREDIT, REJECT),)).rejects("trf_1", Leg.DEBIT)


def test_a_rehearsal_of_one_transfer_leaves_the_others_alone() -> None:
    refused = FaultRule(Leg.DEBIT, REJECT, transfer_ids=("trf_1",))
    struck = FaultRule(Leg.DEBIT, ERROR, transfer_ids=("trf_1",))
    rules = Simulation(True, (refused, struck))
    for transfer_id, fault in (("trf_1", ERROR), ("trf_2", None)):
        assert rules.rejects(transfer_id, Leg.DEBIT) is (fault is not None)
        assert rules.fault(transfer_id, Leg.DEBIT, FaultPhase.BEFORE, 0.0) is fault


def test_an_error_strikes_in_its_phase_below_its_rate() -> None:
    half = FaultRule(Leg.DEBIT, ERROR, 0.5, FaultPhase.AFTER)
    rules = Simulation(True, (FaultRule(Leg.DEBIT, REJECT), half))
    assert rules.fault("trf_1", Leg.DEBIT, FaultPhase.AFTER, 0.49) is ERROR
    assert rules.fault("trf_1", Leg.DEBIT, FaultPhase.AFTER, 0.5) is None
    assert rules.fault("trf_1", Leg.DEBIT, FaultPhase.BEFORE, 0.0) is None
    assert Simulation(False, (half,)).fault("trf_1", Leg.DEBIT, FaultPhase.AFTER, 0.0) is None
    first = FaultRule(Leg.DEBIT, FaultType.TIMEOUT, 1, FaultPhase.AFTER)
    both = Simulation(True, (first, half))
    assert both.fault("trf_1", Leg.DEBIT, FaultPhase.AFTER, 0.0) is FaultType.TIMEOUT
