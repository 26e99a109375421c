"""A proof holds for exactly the act it was made of, under a key that is listed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from payflow.auth.action_proofs import HmacActionProofs, load_action_proofs
from payflow.auth.keys import generate_jwk_set
from payflow.domain.ledger import Leg
from payflow.domain.repairs import Act, Resolution, Resolve, Verb
from payflow.settings import Settings

SAID = Resolve(Leg.CREDIT, Resolution.SETTLED_OUTSIDE, "bank reference 42")
ACT = Act("act_1", "trf_1", Verb.RESOLVE, "usr_1", "ticket 4711", SAID, 1_800_000_000.25)
PROOFS = HmacActionProofs({"new": b"n" * 32, "old": b"o" * 32})
SIGNED = replace(ACT, proof=PROOFS.prove(ACT))

CHANGES: dict[str, Any] = {
    "id": "act_2",
    "transfer_id": "trf_2",
    "verb": Verb.REFUND,
    "operator": "usr_2",
    "reason": "another",
    "resolve": None,
    "until": 0.0,
}


def test_it_holds_for_what_it_was_made_of() -> None:
    assert PROOFS.holds(SIGNED)
    assert not PROOFS.holds(ACT)


@pytest.mark.parametrize("field", CHANGES)
def test_another_value_of_any_field_is_another_act(field: str) -> None:
    assert not PROOFS.holds(replace(SIGNED, **{field: CHANGES[field]}))


def test_every_field_of_an_act_is_covered() -> None:
    assert set(CHANGES) | {"proof"} == set(Act.__dataclass_fields__)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(Resolve(Leg.REFUND, SAID.outcome, SAID.evidence), id="leg"),
        pytest.param(Resolve(Leg.CREDIT, Resolution.NOT_DONE, SAID.evidence), id="outcome"),
        pytest.param(Resolve(Leg.CREDIT, SAID.outcome, "another letter"), id="evidence"),
    ],
)
def test_another_resolution_is_another_act(said: Resolve) -> None:
    assert not PROOFS.holds(replace(SIGNED, resolve=said))


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param("", id="none"),
        pytest.param("new:", id="empty"),
        pytest.param("new:" + "0" * 64, id="wrong"),
        pytest.param("new:\u00e9\ud800", id="not hexadecimal"),
        pytest.param("other:" + SIGNED.proof.partition(":")[2], id="unknown key"),
        pytest.param(SIGNED.proof.partition(":")[2], id="no key"),
        pytest.param(SIGNED.proof.upper(), id="upper case"),
    ],
)
def test_what_is_no_proof_does_not_hold(proof: str) -> None:
    assert not PROOFS.holds(replace(ACT, proof=proof))


def test_text_that_json_cannot_say_does_not_hold() -> None:
    assert not PROOFS.holds(replace(SIGNED, reason="\ud800"))


def test_an_old_key_verifies_as_long_as_it_is_listed() -> None:
    before = HmacActionProofs({"old": b"o" * 32})
    signed = replace(ACT, proof=before.prove(ACT))
    assert PROOFS.holds(signed)
    assert not HmacActionProofs({"new": b"n" * 32}).holds(signed)
    assert not before.holds(SIGNED)


def test_all_processes_of_an_installation_have_the_same_keys(tmp_path: Path) -> None:
    here = Settings(data_dir=tmp_path)
    signed = replace(ACT, proof=load_action_proofs(here).prove(ACT))
    assert load_action_proofs(here).holds(signed)
    given = SecretStr(json.dumps(generate_jwk_set()))
    assert not load_action_proofs(Settings(data_dir=tmp_path, jwt_keys=given)).holds(signed)
