"""Access tokens: every way we know to forge, bend or outlive one, each beside one that passes."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from payflow.auth.keys import SigningKeys, load_keys
from payflow.auth.tokens import AccessTokens
from payflow.domain.errors import TokenExpired, TokenInvalid, TokenWrongType
from payflow.domain.users import Role, User
from payflow.settings import Settings
from tests.fakes import START, StandingClock

ALICE = User("usr_01KDVDS0R0ALCE00000000000A", "alice@example.com", "Alice", START)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def keys(settings: Settings) -> SigningKeys:
    return load_keys(settings)


@pytest.fixture
def tokens(keys: SigningKeys, settings: Settings, clock: StandingClock) -> AccessTokens:
    return AccessTokens(keys, settings, clock)


def header_of(keys: SigningKeys, **changes: Any) -> dict[str, Any]:
    return {"alg": "Ed25519", "typ": "at+jwt", "kid": keys.signer_id, **changes}


def claims_of(**changes: Any) -> dict[str, Any]:
    now = int(START.timestamp())
    claims: dict[str, Any] = {
        "iss": "payflow",
        "aud": "payflow-api",
        "sub": ALICE.id,
        "iat": now,
        "exp": now + 900,
        "jti": "one",
        "role": "user",
        "sid": "family",
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


def signed(keys: SigningKeys, header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode(header, claims, keys.signer, algorithms=["Ed25519"])


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_says_who_it_was_issued_to(tokens: AccessTokens) -> None:
    access = tokens.verify(tokens.issue(ALICE, "family"))
    assert (access.user_id, access.role, access.session_id) == (ALICE.id, Role.USER, "family")


def test_hand_made_claims_pass_when_they_are_right(tokens: AccessTokens, keys: SigningKeys) -> None:
    assert tokens.verify(signed(keys, header_of(keys), claims_of())).user_id == ALICE.id


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody-else"},
        {"iss": None},
        {"aud": "another-api"},
        {"aud": None},
        {"sub": None},
        {"sub": 7},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": float("nan")},
        {"exp": True},
        {"jti": None},
        {"role": "root"},
        {"role": None},
        {"sid": None},
        {"sid": ["family"]},
        {"iat": int(START.timestamp()) + 60},
        {"nbf": int(START.timestamp()) + 60},
    ],
    ids=str,
)
def test_a_token_of_ours_with_one_wrong_claim_is_invalid(
    tokens: AccessTokens, keys: SigningKeys, change: dict[str, Any]
) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(signed(keys, header_of(keys), claims_of(**change)))


@pytest.mark.parametrize("change", [{"typ": "JWT"}, {"typ": None}, {"kid": "another"}], ids=str)
def test_a_token_of_ours_with_another_header_is_invalid(
    tokens: AccessTokens, keys: SigningKeys, change: dict[str, Any]
) -> None:
    header = {k: v for k, v in header_of(keys, **change).items() if v is not None}
    token = jwt.encode(header, claims_of(), keys.signer, algorithms=["Ed25519"], default_type=None)
    with pytest.raises(TokenInvalid):
        tokens.verify(token)


def test_a_token_is_good_until_its_last_second_and_expired_after_it(
    tokens: AccessTokens, clock: StandingClock
) -> None:
    token = tokens.issue(ALICE, "family")
    clock.move(timedelta(seconds=899))
    assert tokens.verify(token).user_id == ALICE.id
    clock.move(timedelta(seconds=1))
    with pytest.raises(TokenExpired):
        tokens.verify(token)


def test_a_token_without_signature_is_invalid(tokens: AccessTokens, keys: SigningKeys) -> None:
    for name in ("none", "None", "NONE", ""):
        unsigned = f"{segment(header_of(keys, alg=name))}.{segment(claims_of())}."
        with pytest.raises(TokenInvalid):
            tokens.verify(unsigned)


def test_the_public_key_does_not_serve_as_a_shared_secret(
    tokens: AccessTokens, keys: SigningKeys
) -> None:
    public = keys.signer.as_dict(private=False)
    for secret in (str(public["x"]), json.dumps(public)):
        forged = jwt.encode(
            header_of(keys, alg="HS256"), claims_of(), OctKey.import_key(secret), ["HS256"]
        )
        with pytest.raises(TokenInvalid):
            tokens.verify(forged)


def test_a_foreign_key_does_not_sign_for_us(tokens: AccessTokens, keys: SigningKeys) -> None:
    foreign = OKPKey.generate_key("Ed25519", {"kid": keys.signer_id})
    forged = jwt.encode(header_of(keys), claims_of(), foreign, algorithms=["Ed25519"])
    with pytest.raises(TokenInvalid):
        tokens.verify(forged)
    with pytest.raises(TokenInvalid):  # nor does a key that the token brings along
        tokens.verify(
            jwt.encode(
                header_of(keys, jwk=foreign.as_dict(private=False)),
                claims_of(),
                foreign,
                algorithms=["Ed25519"],
            )
        )


def test_every_truncation_of_a_good_token_is_invalid(tokens: AccessTokens) -> None:
    good = tokens.issue(ALICE, "family")
    for length in range(len(good)):
        with pytest.raises(TokenInvalid):
            tokens.verify(good[:length])
    assert tokens.verify(good)


def test_claims_cannot_be_changed_under_a_good_signature(tokens: AccessTokens) -> None:
    head, _, signature = tokens.issue(ALICE, "family").split(".")
    with pytest.raises(TokenInvalid):
        tokens.verify(f"{head}.{segment(claims_of(role='operator'))}.{signature}")


@pytest.mark.parametrize(
    "garbage", ["", ".", "..", "...", "a.b.c", "\x00", "ä.ö.ü", "{}", "[].[].[]", "e30.e30.e30"]
)
def test_garbage_is_invalid(tokens: AccessTokens, garbage: str) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(garbage)


def test_an_oversized_token_is_invalid_even_when_we_signed_it(
    tokens: AccessTokens, keys: SigningKeys
) -> None:
    assert tokens.verify(signed(keys, header_of(keys), claims_of(note="x" * 100)))
    with pytest.raises(TokenInvalid):
        tokens.verify(signed(keys, header_of(keys), claims_of(note="x" * 2_000)))


def test_keys_rotate_without_ending_a_session(settings: Settings, clock: StandingClock) -> None:
    def tokens_of(*keys: OKPKey) -> AccessTokens:
        jwk_set = {"keys": [key.as_dict(private=True) for key in keys]}
        return AccessTokens(SigningKeys(jwk_set), settings, clock)

    old, new = [OKPKey.generate_key("Ed25519", auto_kid=True) for _ in range(2)]
    before, both, after = tokens_of(old), tokens_of(new, old), tokens_of(new)
    issued = before.issue(ALICE, "family")
    assert both.verify(issued).user_id == ALICE.id
    assert after.verify(both.issue(ALICE, "family")).user_id == ALICE.id
    with pytest.raises(TokenInvalid):
        after.verify(issued)
    assert [key["kid"] for key in both.public_keys] == [new.kid, old.kid]
    assert not [key for key in both.public_keys if "d" in key]


def test_a_refresh_token_is_no_access_token(tokens: AccessTokens) -> None:
    with pytest.raises(TokenWrongType):
        tokens.verify("pfr_" + "A" * 43)
