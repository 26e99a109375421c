"""Every way we know to come in without a good token, over HTTP, each beside one that passes."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from cli.stack import EmbeddedStack
from payflow.auth.api_keys import new_key
from tests.e2e.bank import PASSWORD, Bank, Json, new_email

ME = "/v1/auth/me"


@dataclass
class Forge:
    """What an attacker has, and what only we have: the stack's own key."""

    key: OKPKey
    user_id: str
    good: str
    refresh: str

    def token(
        self,
        header: Json | None = None,
        claims: Json | None = None,
        key: Any = None,
        algorithm: str = "Ed25519",
    ) -> str:
        now = int(time.time())
        said = {
            "iss": "payflow",
            "aud": "payflow-api",
            "sub": self.user_id,
            "iat": now,
            "exp": now + 900,
            "jti": "one",
            "role": "user",
            "sid": "family",
            **(claims or {}),
        }
        head = {"alg": algorithm, "typ": "at+jwt", "kid": self.key.kid, **(header or {})}
        return jwt.encode(
            {name: value for name, value in head.items() if value is not None},
            {name: value for name, value in said.items() if value is not None},
            key or self.key,
            algorithms=[algorithm],
            default_type=None,
        )

    def unsigned(self, algorithm: str) -> str:
        header, claims, _ = self.token(header={}).split(".")
        head = {**json.loads(_decoded(header)), "alg": algorithm}
        return f"{_encoded(head)}.{claims}."

    def with_claims(self, **changes: object) -> str:
        """Changed claims under a signature that was good."""
        header, claims, signature = self.good.split(".")
        return f"{header}.{_encoded({**json.loads(_decoded(claims)), **changes})}.{signature}"


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


FOREIGN = OKPKey.generate_key("Ed25519", {"kid": "foreign"})
ELLIPTIC = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
HERE = "https://evil.example.com/keys.json"

Attack = Callable[[Forge], str]
INVALID: dict[str, Attack] = {
    "alg none": lambda f: f.unsigned("none"),
    "alg None": lambda f: f.unsigned("None"),
    "alg empty": lambda f: f.unsigned(""),
    "signature cut off": lambda f: f.good.rpartition(".")[0] + ".",
    "signature of another token": lambda f: (
        f.good.rpartition(".")[0] + "." + f.token().rpartition(".")[2]
    ),
    "one bit changed": lambda f: f.good[:-2] + ("A" if f.good[-2] != "A" else "E") + f.good[-1],
    "role in changed claims": lambda f: f.with_claims(role="operator"),
    "subject in changed claims": lambda f: f.with_claims(sub="usr_01KDVE0A4Q5J7TP7S8R9VWXYZ5"),
    "public key as shared secret": lambda f: f.token(
        key=OctKey.import_key(str(f.key.as_dict(private=False)["x"])), algorithm="HS256"
    ),
    "public JWK as shared secret": lambda f: f.token(
        key=OctKey.import_key(json.dumps(f.key.as_dict(private=False))), algorithm="HS256"
    ),
    "elliptic curve": lambda f: f.token(key=ELLIPTIC, algorithm="ES256"),
    "RSA": lambda f: f.token(key=RSA, algorithm="RS256"),
    "foreign key under our kid": lambda f: f.token(key=FOREIGN),
    "foreign key under its own kid": lambda f: f.token({"kid": "foreign"}, key=FOREIGN),
    "kid is a path": lambda f: f.token({"kid": "../../../../dev/null"}, key=FOREIGN),
    "kid is a query": lambda f: f.token({"kid": "' OR '1'='1"}, key=FOREIGN),
    "key in the header": lambda f: f.token({"jwk": FOREIGN.as_dict(private=False)}, key=FOREIGN),
    "jku": lambda f: f.token({"jku": HERE, "kid": "foreign"}, key=FOREIGN),
    "x5u": lambda f: f.token({"x5u": HERE, "kid": "foreign"}, key=FOREIGN),
    "unknown kid, our key": lambda f: f.token({"kid": "another"}),
    "wrong type": lambda f: f.token({"typ": "JWT"}),
    "no type": lambda f: f.token({"typ": None}),
    "wrong issuer": lambda f: f.token(claims={"iss": "https://evil.example.com"}),
    "wrong audience": lambda f: f.token(claims={"aud": "another-api"}),
    "from the future": lambda f: f.token(claims={"iat": int(time.time()) + 600}),
    "not yet": lambda f: f.token(claims={"nbf": int(time.time()) + 600}),
    "no end": lambda f: f.token(claims={"exp": None}),
    "end is a text": lambda f: f.token(claims={"exp": "never"}),
    "no subject": lambda f: f.token(claims={"sub": None}),
    "unknown subject": lambda f: f.token(claims={"sub": "usr_01KDVE0A4Q5J7TP7S8R9VWXYZ5"}),
    "unknown role": lambda f: f.token(claims={"role": "root"}),
    "session is a list": lambda f: f.token(claims={"sid": ["family"]}),
    "truncated": lambda f: f.good[: len(f.good) // 2],
    "twice": lambda f: f"{f.good}.{f.good}",
    "oversized": lambda f: f.token(claims={"note": "x" * 3_000}),
    "garbage": lambda f: "....",
}
OTHERS: dict[str, tuple[str, Attack]] = {
    "expired": ("token_expired", lambda f: f.token(claims={"exp": int(time.time()) - 1})),
    "refresh token as access token": ("token_wrong_type", lambda f: f.refresh),
    "API key nobody made": ("api_key_invalid", lambda f: new_key("pf_test_")),
    "API key of production": ("api_key_invalid", lambda f: new_key("pf_live_")),
    "API key with a slip": ("api_key_invalid", lambda f: new_key("pf_test_")[:-1] + "!"),
}


@pytest.fixture
def stack(pair: EmbeddedStack) -> EmbeddedStack:
    """One layout is enough: all processes have the same key."""
    return pair


@pytest.fixture
async def forge(stack: EmbeddedStack, bank: Bank) -> Forge:
    keys = keys_of(stack.data_dir)
    body = {"email": new_email("alice"), "password": PASSWORD, "name": "Alice"}
    made = (await bank.ask("POST", "/v1/auth/register", body=body)).json()
    tokens = made["tokens"]
    return Forge(
        keys[0],
        made["user"]["id"],
        tokens["access_token"],
        tokens["refresh_token"],
    )


def keys_of(folder: Path) -> list[OKPKey]:
    keys = json.loads((folder / "jwt-keys.json").read_text())["keys"]
    return [OKPKey.import_key(key) for key in keys]


async def code_of(bank: Bank, token: str) -> tuple[int, str]:
    answer = await bank.ask("GET", ME, headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return answer.status_code, answer.json().get("code", "")


async def test_no_forged_token_opens_the_door(bank: Bank, forge: Forge) -> None:
    attacks = {name: ("token_invalid", attack) for name, attack in INVALID.items()} | OTHERS
    assert len(attacks) >= 40
    for good in (forge.good, forge.token()):  # what the attacks change is all that is wrong
        assert await code_of(bank, good) == (200, "")
    for name, (code, attack) in attacks.items():
        assert await code_of(bank, attack(forge)) == (401, code), name
    assert await code_of(bank, forge.good) == (200, "")


async def test_other_ways_to_show_a_token_are_none(bank: Bank, forge: Forge) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": forge.good},
        {"Authorization": f"Basic {forge.good}"},
        {"Cookie": f"access_token={forge.good}"},
        {"X-Access-Token": forge.good},
    ):
        answer = await bank.ask("GET", ME, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")
    asked = await bank.ask("GET", f"{ME}?access_token={forge.good}")
    assert asked.status_code == 401


async def test_a_spent_or_revoked_session_begins_nothing(bank: Bank, forge: Forge) -> None:
    async def refresh(token: str) -> tuple[int, Json]:
        body = {"refresh_token": token}
        answer = await bank.ask("POST", "/v1/auth/refresh", body=body)
        return answer.status_code, answer.json()

    status, following = await refresh(forge.refresh)
    assert status == 200
    for token, code in (
        (forge.refresh, "refresh_token_reused"),
        (following["refresh_token"], "refresh_token_revoked"),  # its whole family with it
        (forge.refresh[:-1], "refresh_token_invalid"),
        (forge.good, "refresh_token_invalid"),
        (new_key("pf_test_"), "refresh_token_invalid"),
    ):
        status, problem = await refresh(token)
        assert (status, problem["code"]) == (401, code)


async def test_the_public_keys_verify_our_tokens_and_hold_no_secret(
    bank: Bank, forge: Forge
) -> None:
    answer = await bank.ask("GET", "/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    (public,) = answer.json()["keys"]
    assert set(public) == {"kty", "crv", "x", "kid", "use", "alg"}
    verified = jwt.decode(forge.good, OKPKey.import_key(public), algorithms=["Ed25519"])
    assert verified.claims["sub"] == forge.user_id
