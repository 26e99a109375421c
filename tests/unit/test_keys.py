"""The generated key: one per data folder, whoever asks first and however often one dies."""

import json
import multiprocessing
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OKPKey
from pydantic import SecretStr

from payflow.auth.keys import KEY_FILE, KeysUnusable, SigningKeys, load_keys
from payflow.settings import Settings


def key_id(data_dir: Path) -> str:
    return load_keys(Settings(data_dir=data_dir)).signer_id


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert key_id(folder) == key_id(folder)
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    assert key_id(tmp_path / "a") != key_id(tmp_path / "b")


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        key_ids = pool.map(key_id, [tmp_path] * 16, chunksize=1)
    assert len(set(key_ids)) == 1


def test_what_a_killed_process_left_behind_is_no_key(tmp_path: Path) -> None:
    (tmp_path / f".{KEY_FILE}.0123456789abcdef").write_text('{"keys": [{"kty"')
    assert key_id(tmp_path) == key_id(tmp_path)


def test_given_keys_are_used_in_their_order(tmp_path: Path) -> None:
    jwks = {
        "keys": [
            OKPKey.generate_key("Ed25519", {"kid": kid}).as_dict(private=True)
            for kid in ("new", "old")
        ]
    }
    settings = Settings(data_dir=tmp_path, jwt_keys=SecretStr(json.dumps(jwks)))
    keys = load_keys(settings)
    assert keys.signer_id == "new"
    assert [key.kid for key in keys.all] == ["new", "old"]
    assert not (tmp_path / KEY_FILE).exists()


def test_keys_that_cannot_sign_are_refused() -> None:
    public = OKPKey.generate_key("Ed25519").as_dict(private=False)
    other_curve = OKPKey.generate_key("X25519").as_dict(private=True)
    other_kind = ECKey.generate_key("P-256").as_dict(private=True)
    for key in (public, other_curve, other_kind, {"kty": "OKP"}, {}, 7):
        with pytest.raises(KeysUnusable):
            SigningKeys({"keys": [key]})
    with pytest.raises(KeysUnusable):
        SigningKeys({})
