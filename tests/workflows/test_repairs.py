"""Operators' verbs as Updates: done once, on record, foreseen, and refused when they must be."""

import asyncio
import secrets
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from payflow.domain.ledger import Leg, Outcome, Posting
from payflow.domain.repairs import Act, RepairAnswer, Resolution, Resolve, Verb
from payflow.domain.transfers import TransferStatus
from payflow.domain.wallets import WalletStatus
from temporal.messages import Ending
from temporal.names import FAILING_STEP, NEEDS_ATTENTION, STATE
from tests.fakes import ALICE, BOB, TRANSFER, InMemoryBooks, TroubledBooks, books_of_two
from tests.fakes_repairs import PROOFS
from tests.workflows.conftest import Saga, Tell
from tests.workflows.test_transfer_story import balances, outcomes, parked

WHO = {"operator": "usr_OPERATOR", "reason": "the payer called"}
OUTSIDE = {"leg": "credit", "outcome": "settled_outside", "evidence": "bank reference 42"}
NOT_DONE = {"leg": "credit", "outcome": "not_done", "evidence": "the bank says it never came"}


async def send(saga: Saga, verb: str, **said: Any) -> RepairAnswer:
    """The verb as the API sends it: with its proof."""
    update_id = said.pop("update_id", None) or f"act_{secrets.token_hex(8)}"
    return await send_raw(saga, verb, **_with_proof(verb, update_id, {**WHO, **said}))


async def send_raw(saga: Saga, verb: str, **said: Any) -> RepairAnswer:
    """The verb as JSON, as Temporal's UI sends it: whoever that is."""
    update_id = said.pop("update_id", None)
    answer: RepairAnswer = await saga.handle.execute_update(
        verb, {**WHO, **said}, id=update_id, result_type=RepairAnswer
    )
    return answer


def _with_proof(verb: str, update_id: str, said: dict[str, Any]) -> dict[str, Any]:
    resolve = None
    with suppress(KeyError, ValueError):
        resolve = Resolve(Leg(said["leg"]), Resolution(said["outcome"]), said["evidence"])
    about = (said["operator"], said["reason"], resolve, said.get("until", 0.0))
    act = Act(update_id, TRANSFER, Verb(verb), *about)
    return {**said, "update_id": update_id, "proof": PROOFS.prove(act)}


async def refusal(saga: Saga, verb: str, **said: Any) -> str | None:
    """The code of the refusal that must come to the API."""
    return await _refusal(send(saga, verb, **said))


async def _refusal(sent: Awaitable[RepairAnswer]) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await sent
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause.type


def silent(leg: Leg) -> tuple[InMemoryBooks, TroubledBooks]:
    books = books_of_two()
    if leg is Leg.REFUND:
        books.wallets[BOB] = replace(books.wallets[BOB], status=WalletStatus.FROZEN)
    trouble = TroubledBooks(books)
    trouble.down.add(leg)
    return books, trouble


def acts(saga: Saga) -> list[tuple[str, str, str]]:
    return [(k.act.verb.value, k.operator, k.outcome) for k in saga.repairs.acts.values()]


async def test_a_refund_is_on_record_with_who_why_and_what_came_of_it(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        assert (await send(saga, "refund", operator="op@example.com")).outcome == "refunded"
        assert await saga.ending() is Ending.REFUNDED
        assert acts(saga) == [("refund", "usr_OPERATOR", "refunded")]
        (kept,) = saga.repairs.acts.values()
    assert (kept.act.reason, kept.act.transfer_id) == ("the payer called", TRANSFER)
    assert balances(books) == (1_000, 0)


async def test_a_verb_lapses_when_whoever_asked_was_told_that_nobody_listens(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        now = (await saga.environment.get_current_time()).timestamp()
        for verb in ("retry", "refund", "pause"):
            assert await refusal(saga, verb, until=now - 1) == "verb_lapsed"
        assert await refusal(saga, "resolve", **OUTSIDE, until=now - 1) == "verb_lapsed"
        assert acts(saga) == []
        # but the end of a pause does not: a reset applies it again, long after
        assert (await send(saga, "resume", until=now - 1)).outcome == "running"
        assert (await send(saga, "refund", until=now + 60)).outcome == "refunded"


async def test_what_cannot_be_written_down_is_not_done(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        saga.repairs.away = True
        refused = asyncio.create_task(refusal(saga, "refund"))
        await asyncio.sleep(0.5)
        await saga.environment.sleep(90)
        assert await refused in ("ConnectionError", None)
        assert outcomes(books) == {"debit": Outcome.APPLIED}
        saga.repairs.away = False
        assert (await send(saga, "refund")).outcome == "refunded"
        await saga.ending()


async def test_one_update_sent_twice_is_one_act(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        first = await send(saga, "refund", update_id="act_ONE")
        assert await send(saga, "refund", update_id="act_ONE") == first
        await saga.ending()
        assert list(saga.repairs.acts) == ["act_ONE"]
    assert sum(entry.leg is Leg.REFUND for entry in books.entries) == 1


@pytest.mark.parametrize("leg", [Leg.CREDIT, Leg.REFUND])
async def test_two_operators_settle_a_leg_outside(tell: Tell, leg: Leg) -> None:
    books, trouble = silent(leg)
    said = {**OUTSIDE, "leg": leg.value}
    async with tell(books, trouble) as saga:
        await parked(saga)
        assert (await send(saga, "resolve", **said)).outcome == "approval_pending"
        assert await refusal(saga, "resolve", **said) == "second_operator_required"
        # the same person under another name is the same person
        assert (
            await refusal(saga, "resolve", **said, operator="op@example.com")
            == "second_operator_required"
        )
        assert f"{TRANSFER}:{leg}" not in books.journal
        answer = await send(saga, "resolve", **said, operator="usr_SECOND")
        ending = Ending.COMPLETED if leg is Leg.CREDIT else Ending.REFUNDED
        assert answer.outcome == ending
        assert await saga.ending() is ending
        assert acts(saga) == [
            ("resolve", "usr_OPERATOR", "approved"),
            ("resolve", "usr_SECOND", ending),
        ]
    entry = next(one for one in books.entries if one.leg is leg)
    assert entry.postings == (Posting("world:USD", 100), Posting(f"transit:{TRANSFER}", -100))
    assert entry.outside is not None
    assert (entry.outside.proposed_by, entry.outside.approved_by) == ("usr_OPERATOR", "usr_SECOND")
    assert balances(books) == (900, 0)
    assert books.transfers[TRANSFER].status.is_terminal
    assert books.transfers[TRANSFER].refunded is (leg is Leg.REFUND)


async def test_temporal_proposes_and_never_approves(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        proposed = await send_raw(saga, "resolve", **OUTSIDE)
        assert proposed.outcome == "approval_pending"
        second = {**OUTSIDE, "operator": "usr_SECOND"}
        assert await _refusal(send_raw(saga, "resolve", **second)) == "second_operator_required"
        assert await refusal(saga, "resolve", **OUTSIDE) == "second_operator_required"
        assert acts(saga) == [("resolve", "temporal", "approval_pending")]
        assert (await send(saga, "resolve", **second)).outcome == Ending.COMPLETED
        await saga.ending()
    outside = next(one.outside for one in books.entries if one.outside)
    assert (outside.proposed_by, outside.approved_by) == ("temporal", "usr_SECOND")


async def test_an_update_whose_proof_is_of_another_is_temporals(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        sent = _with_proof("pause", "act_ONE", WHO)
        await send_raw(saga, "pause", **sent)
        others: list[dict[str, Any]] = [
            {"operator": "usr_SECOND"},
            {"until": 4e12},
            {},
        ]  # past all that is skipped
        for number, changed in enumerate(others):
            await send_raw(saga, "pause", **{**sent, **changed, "update_id": f"act_{number}"})
        kept = [(one.operator, one.act.operator) for one in saga.repairs.acts.values()]
        assert kept == [
            ("usr_OPERATOR", "usr_OPERATOR"),  # the control: as the API sent it
            ("temporal", "usr_SECOND"),
            ("temporal", "usr_OPERATOR"),
            ("temporal", "usr_OPERATOR"),
        ]
        assert list(saga.repairs.acts)[1:] == [f"act_{TRANSFER}:act_{n}" for n in range(3)]
        await send(saga, "refund")
        await saga.ending()


async def test_the_uis_verbs_work_as_temporals(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        assert (await send_raw(saga, "pause")).outcome == "paused"
        assert "by temporal" in await _current_details(saga)
        assert (await send_raw(saga, "resume")).outcome == "running"
        assert (await send_raw(saga, "refund", update_id="act_HIS_OWN")).outcome == "refunded"
        await saga.ending()
        assert {actor for _, actor, _ in acts(saga)} == {"temporal"}
        assert {kept.act.operator for kept in saga.repairs.acts.values()} == {"usr_OPERATOR"}
        assert f"act_{TRANSFER}:act_HIS_OWN" in saga.repairs.acts
    (tombstone,) = [one.tombstone for one in books.entries if one.tombstone]
    assert tombstone.actor == "temporal"


async def test_other_evidence_is_another_proposal(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        await send(saga, "resolve", **NOT_DONE)
        other = {**NOT_DONE, "evidence": "another letter", "operator": "usr_SECOND"}
        assert (await send(saga, "resolve", **other)).outcome == "approval_pending"
        assert outcomes(books) == {"debit": Outcome.APPLIED}
        second = {**NOT_DONE, "operator": "usr_SECOND"}
        assert (await send(saga, "resolve", **second)).outcome == "refunded"
        await saga.ending()
    assert outcomes(books)["credit"] == Outcome.VOIDED
    assert balances(books) == (1_000, 0)


async def test_a_credit_that_had_landed_is_not_paid_a_second_time(tell: Tell) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.after[Leg.CREDIT] += [ConnectionError("no acknowledgement")] * 1_000
    async with tell(books, trouble) as saga:
        while f"{TRANSFER}:credit" not in books.journal:
            await asyncio.sleep(0.01)
        await send(saga, "resolve", **OUTSIDE)
        said = await send(saga, "resolve", **OUTSIDE, operator="usr_SECOND")
        assert said.outcome == await saga.ending() == Ending.COMPLETED
    assert balances(books) == (900, 100)
    assert all("world" not in p.account for entry in books.entries for p in entry.postings)


async def test_a_paused_saga_tries_nothing_until_it_is_resumed(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        assert (await send(saga, "pause")).outcome == "paused"
        assert (await send(saga, "pause")).outcome == "paused"
        trouble.down.clear()
        before = len(trouble.attempts)
        await saga.environment.sleep(600)
        assert len(trouble.attempts) == before
        assert await refusal(saga, "retry") == "transfer_paused"
        assert (await send(saga, "resume")).outcome == "running"
        assert await saga.ending() is Ending.COMPLETED
    assert balances(books) == (900, 100)


async def test_a_refund_ends_a_pause(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        await send(saga, "pause")
        assert (await send(saga, "refund")).outcome == "refunded"
        await saga.ending()


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("retry", {}),
        ("refund", {}),
        ("resolve", NOT_DONE),
        ("resolve", OUTSIDE),
        ("pause", {}),
    ],
)
async def test_a_preview_says_what_is_then_posted(
    tell: Tell, verb: str, said: dict[str, Any]
) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        written = list(books.entries)
        foreseen = await send(saga, verb, **said, dry_run=True)
        assert foreseen.outcome == "preview"
        assert (books.entries, acts(saga)) == (written, [])
        await send(saga, verb, **said)
        if verb == "resolve":
            await send(saga, verb, **said, operator="usr_SECOND")
        if verb == "pause":
            assert foreseen.entries == ()
            await send(saga, "refund")
            return
        trouble.down.clear()
        if verb == "retry":
            await send(saga, verb)
        await saga.ending()
    posted = books.entries[len(written) :]
    assert [(e.key, e.answer.outcome, e.postings) for e in posted] == [
        (e.key, e.outcome, e.postings) for e in foreseen.entries
    ]


async def test_refusals_of_a_saga_that_waits_for_its_debit(tell: Tell) -> None:
    books, trouble = silent(Leg.DEBIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        nonsense: list[tuple[str, dict[str, Any], str]] = [
            ("resolve", OUTSIDE, "leg_not_pending"),
            ("resolve", {**NOT_DONE, "leg": "refund"}, "resolve_invalid"),
            ("resolve", {**OUTSIDE, "leg": "post"}, "resolve_invalid"),
            ("resolve", {**OUTSIDE, "evidence": " "}, "resolve_invalid"),
            ("resolve", {**OUTSIDE, "outcome": "maybe"}, "resolve_invalid"),
            ("refund", {"operator": "usr_NOBODY"}, "operator_unknown"),
            ("refund", {"operator": "temporal"}, "operator_unknown"),
            ("refund", {"reason": " "}, "reason_required"),
            ("pause", {"operator": ""}, "reason_required"),
            ("resume", {"reason": "x" * 501}, "reason_required"),
        ]
        for verb, said, code in nonsense:
            assert await refusal(saga, verb, **said) == code, (verb, said)
        with pytest.raises(WorkflowUpdateFailedError):
            await saga.handle.execute_update("refund", "just do it")
        assert books.journal == {}
        assert acts(saga) == []
        trouble.down.clear()
        await send(saga, "retry")
        assert await saga.ending() is Ending.COMPLETED


async def test_the_uis_cancel_is_on_record(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        await saga.handle.cancel()
        await saga.ending()
        assert acts(saga) == [("refund", "temporal", "refunded")]


async def test_operators_read_what_is_wrong_in_plain_words(tell: Tell) -> None:
    books, trouble = silent(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        found = await saga.handle.describe()
        told = await _current_details(saga)
        assert "The credit has not answered since" in told
        assert "the books cannot be reached" in told
        assert "`refund` it" in told
        attributes = found.typed_search_attributes
        assert attributes.get(FAILING_STEP) == "credit"
        assert attributes.get(STATE) == TransferStatus.DEBITED
        await send(saga, "pause")
        await asyncio.sleep(0.2)
        assert "Paused since" in await _current_details(saga)
        await send(saga, "resume")
        trouble.down.clear()
        await send(saga, "retry")
        await saga.ending()
        found = await saga.handle.describe()
        told = await _current_details(saga)
    assert told == ""
    assert [found.typed_search_attributes.get(key) for key in (NEEDS_ATTENTION, STATE)] == [
        None,
        None,
    ]


async def test_an_undisturbed_transfer_has_eight_events(tell: Tell) -> None:
    books = books_of_two()
    async with tell(books, TroubledBooks(books)) as saga:
        await saga.ending()
        history = await saga.handle.fetch_history()
    assert len(history.events) == 8
    assert books.wallets[ALICE].balance == 900


async def _current_details(saga: Saga) -> str:
    found = await saga.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return str(found.current_details)
