"""Secrets at rest: under our keys, bound to their endpoint, moved to a new key by one command."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from cli.stack import EmbeddedStack
from cli.webhooks import Resealed, reseal
from payflow.domain.users import Principal
from payflow.settings import Environment, Settings
from payflow.webhooks.sealing import KEY_FILE, Sealer, SealUnusable, load_sealer
from tests.webhooks.events import event
from tests.webhooks.post import only, post_of, verified
from tests.webhooks.receivers import receiver

OLD, NEW = bytes(32), bytes(range(32))
SECRET = b"s" * 24


def jwks(**keys: bytes) -> SecretStr:
    found = [
        {"kty": "oct", "kid": kid, "k": base64.urlsafe_b64encode(key).rstrip(b"=").decode()}
        for kid, key in keys.items()
    ]
    return SecretStr(json.dumps({"keys": found}))


def test_a_sealed_secret_opens_for_its_endpoint_only() -> None:
    sealer = Sealer({"old": OLD})
    sealed = sealer.seal(SECRET, "whe_1")
    assert sealer.open(sealed, "whe_1") == SECRET
    assert base64.b64encode(SECRET).decode() not in sealed.sealed
    assert sealer.seal(SECRET, "whe_1").sealed != sealed.sealed
    with pytest.raises(SealUnusable):
        sealer.open(sealed, "whe_2")
    with pytest.raises(SealUnusable):
        Sealer({"old": NEW}).open(sealed, "whe_1")
    with pytest.raises(SealUnusable):
        Sealer({"new": NEW}).open(sealed, "whe_1")


def test_the_first_key_seals_and_each_opens() -> None:
    sealed = Sealer({"old": OLD}).seal(SECRET, "whe_1")
    both = Sealer({"new": NEW, "old": OLD})
    again = both.seal_again(sealed, "whe_1")
    assert again.key_id == "new"
    assert both.seal_again(again, "whe_1") is again
    assert Sealer({"new": NEW}).open(again, "whe_1") == SECRET


@pytest.mark.parametrize("text", ["{", "{}", '{"keys": [{}]}', '{"keys": [7]}'])
def test_keys_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_FILE).write_text(text)
    with pytest.raises(SealUnusable):
        load_sealer(Settings(data_dir=tmp_path))


def test_short_keys_are_refused() -> None:
    for keys in ({}, {"short": bytes(16)}):
        with pytest.raises(SealUnusable):
            Sealer(keys)


def test_the_development_key_is_made_once(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    sealed = load_sealer(settings).seal(SECRET, "whe_1")
    assert load_sealer(settings).open(sealed, "whe_1") == SECRET
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_production_brings_keys_and_reaches_no_private_address() -> None:
    good: dict[str, Any] = {
        "env": Environment.PRODUCTION,
        "jwt_keys": SecretStr('{"keys": [{}]}'),
        "webhook_keys": jwks(one=OLD),
        "proof_keys": SecretStr('{"keys": [{}]}'),
    }
    assert Settings(**good)
    for change, why in (
        ({"webhook_keys": None}, "PAYFLOW_WEBHOOK_KEYS is required"),
        ({"webhook_allow_private": True}, "PAYFLOW_WEBHOOK_ALLOW_PRIVATE"),
        ({"webhook_retry_pace": 0.5}, "PAYFLOW_WEBHOOK_RETRY_PACE"),
    ):
        with pytest.raises(ValidationError, match=why):
            Settings(**{**good, **change})


async def test_all_secrets_move_to_the_newest_key(pair: EmbeddedStack, owner: Principal) -> None:
    database = "payflow_sealing"
    before: dict[str, Any] = {"mongo_database": database, "webhook_keys": jwks(old=OLD)}
    both: dict[str, Any] = {"mongo_database": database, "webhook_keys": jwks(new=NEW, old=OLD)}
    after: dict[str, Any] = {"mongo_database": database, "webhook_keys": jwks(new=NEW)}
    async with receiver() as shop:
        async with post_of(pair, **before) as post:
            endpoint, secret = await post.endpoint(owner, shop.url)
            await post.subscriptions.rotate(endpoint.id, owner, None)
        async with post_of(pair, **both) as post:
            assert await reseal(post.settings) == Resealed(1, "new")
            assert await reseal(post.settings) == Resealed(0, "new")
        async with post_of(pair, **after) as post:
            await post.dispatch.schedule([event([owner.user_id])])
            await post.delivered(endpoint, owner)
    assert verified(only(shop), secret)
