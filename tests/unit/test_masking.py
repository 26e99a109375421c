"""Nothing that is secret, and nobody's address, gets through the mask."""

import pytest

from payflow.observability.masking import MASK, Mask

CANARY = "canary-7f3a9c51d2e84b60"
JWT = f"eyJhbGciOiJFZERTQSJ9.{CANARY}.c2lnbmF0dXJl"
SECRETS = [
    f"Authorization: Bearer {CANARY}",
    f"authorization=Basic {CANARY}",
    f"sent {JWT} to nobody",
    f"refresh pfr_{CANARY} spent",
    f"signed with whsec_{CANARY}",
    f"hash $argon2id$v=19$m=65536,t=3,p=4${CANARY}",
    f'{{"password": "{CANARY}"}}',
    f"{{'current_password': 'correct horse {CANARY}'}}",
    f"password={CANARY}",
    f"client_secret: {CANARY}",
    f"api_key={CANARY}&x=1",
    f"mongodb://payflow:{CANARY}@mongo:27017/?replicaSet=rs0",
    f"redis://:{CANARY}@redis:6379/0",
    f"{CANARY}@example.com is taken",
    f'{{"kty": "OKP", "d": "{CANARY}-{CANARY}"}}',
    f"Set-Cookie: {CANARY}",
]
PLAIN = [
    "saga of trf_01KDVE0A4Q5J7TP7S8R9VWXYZ0 not started, the sweep will",
    "temporal at 127.0.0.1:7233 does not answer, trying again",
    "POST /v1/wallets/{wallet_id}/deposits 201 10.9 ms",
    "workflow transfer/trf_01KDVE0A4Q5J7TP7S8R9VWXYZ0 of run 0199",
    "mongodb://127.0.0.1:27017/?replicaSet=rs0",
]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_masked_by_its_form(line: str) -> None:
    assert CANARY not in Mask().text(line)


@pytest.mark.parametrize("line", PLAIN)
def test_what_is_no_secret_stays(line: str) -> None:
    assert Mask().text(line) == line


def test_a_secret_that_is_known_is_masked_wherever_it_stands() -> None:
    assert Mask([CANARY]).text(f"before{CANARY}after") == f"before{MASK}after"


def test_too_short_a_secret_does_not_blot_out_the_line() -> None:
    assert Mask(["a"]).text("a saga") == "a saga"


@pytest.mark.parametrize("name", ["password", "access_token", "Authorization", "webhook_secret"])
def test_a_field_is_masked_by_its_name(name: str) -> None:
    assert Mask().fields({name: CANARY, "attempt": 2}) == {name: MASK, "attempt": 2}


def test_a_field_is_masked_by_its_form() -> None:
    assert Mask().fields({"who": "alice@example.com"}) == {"who": "<email>"}
