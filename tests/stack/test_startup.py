"""What cannot start says why in one sentence, with what to do, and ends with 1 or 2."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from cli.configuration import load_settings
from cli.errors import CliError
from cli.ports import LOOPBACK
from cli.stack import EmbeddedStack
from payflow.settings import Settings

NOWHERE = "mongodb://payflow:hunter2hunter2@127.0.0.1:1/?replicaSet=rs0"
# Any text is right: what it names is known to others alone.
FREE_TEXT = {
    "runbook_url",
    "jwt_issuer",
    "jwt_audience",
    "temporal_namespace",
    "oidc_client_id",
    "oidc_client_secret",
    "oidc_operator_claim",
    "oidc_operator_value",
}
EMPTY_IS_WRONG = {"jwt_issuer", "jwt_audience", "temporal_namespace"}
SIGN_ON = {
    "PAYFLOW_OIDC_ISSUER": "https://login.example.com",
    "PAYFLOW_OIDC_CLIENT_ID": "payflow",
    "PAYFLOW_OIDC_REDIRECT_URL": "https://pay.example.com/v1/auth/oidc/callback",
    "PAYFLOW_OIDC_OPERATOR_VALUE": "operators",
}
BY_NAME = {
    "env": ["staging"],
    "data_dir": [""],
    "secrets_dir": [""],
    "log_level": ["LOUD", ""],
    "mongo_url": ["", "mongo", "http://mongo:27017", "mongodb://", "mongodb://a b/"],
    "redis_url": ["", "nonsense", "http://redis:6379", "redis://redis:port/0", "redis://"],
    "temporal_address": ["", "temporal", "temporal:", "temporal:99999", "a b:7233", "h:0"],
    "mongo_database": ["", "a/b", "a b", "x" * 64],
    "default_currency": ["", "XYZ1", "usd"],
    "receipt_period_s": ["7", "ten"],
    "crash_points": ["perhaps", "true"],  # only with PAYFLOW_ENV=test
}


def bad_values() -> list[Any]:
    """A row for each setting and wrong value, from the types of the fields."""
    return [
        pytest.param(name, value, id=f"{name}={value[:20]}")
        for name, field in Settings.model_fields.items()
        for value in BY_NAME.get(name) or values_for(name, field.annotation)
    ]


def values_for(name: str, kind: Any) -> list[str]:
    words = str(kind)
    if name in EMPTY_IS_WRONG:
        return [""]
    if name in FREE_TEXT:
        return []
    if "SecretStr" in words or kind is SecretStr:
        return ["not a set of keys"[: 15 if name == "metrics_token" else None]]
    if "int" in words or "float" in words:
        return ["ten", "-1", "1e99"]
    if "bool" in words:
        return ["perhaps"]
    return ["no such thing", "://"]


def test_every_setting_has_a_wrong_value_or_takes_any_text() -> None:
    tried = {row.values[0] for row in bad_values()}

    assert set(Settings.model_fields) - tried == FREE_TEXT - EMPTY_IS_WRONG


@pytest.mark.parametrize(("name", "value"), bad_values())
def test_a_wrong_setting_is_named_in_one_sentence(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("oidc_"):
        for needed, right in SIGN_ON.items():
            monkeypatch.setenv(needed, right)
    variable = f"PAYFLOW_{name.upper()}"
    monkeypatch.setenv(variable, value)

    with pytest.raises(CliError) as refused:
        load_settings()

    said = str(refused.value)
    assert variable in said
    assert refused.value.exit_code == 1
    assert "\n" not in said
    if "keys" in name:
        assert value not in said


def test_the_settings_for_sign_on_are_right_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    for needed, right in SIGN_ON.items():
        monkeypatch.setenv(needed, right)

    assert load_settings().oidc_issuer == "https://login.example.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_level", "debug"),
        ("mongo_url", "mongodb+srv://u:p%40ss@cluster.example.com/?retryWrites=true"),
        ("mongo_url", "mongodb://a:27017,b:27017,c:27017/?replicaSet=rs0"),
        ("redis_url", "rediss://:pw@redis.example.com:6380/1"),
        ("redis_url", "unix:///run/redis.sock"),
        ("temporal_address", "temporal.payments.svc.cluster.local:7233"),
        ("temporal_address", "[::1]:7233"),
        ("api_host", "0.0.0.0"),  # noqa: S104
        ("api_host", "::"),
        ("otlp_endpoint", "http://collector:4318"),
        ("public_url", ""),
        ("codec_origin", "http://127.0.0.1:8233"),
    ],
)
def test_a_right_setting_is_taken(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PAYFLOW_{name.upper()}", value)

    assert str(getattr(load_settings(), name)).lower() == value.lower()


def run(data_dir: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command as its user sees it."""
    own = {
        "PAYFLOW_DATA_DIR": str(data_dir),
        "PAYFLOW_ENV": "test",
        "PAYFLOW_API_PORT": "0",
        "PAYFLOW_MONGO_URL": NOWHERE,
    }
    return subprocess.run(
        arguments
        if arguments[0] == "/bin/bash"
        else [sys.executable, "-m", "cli.main", *arguments],
        env={**os.environ, **own, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def the_one_sentence(done: subprocess.CompletedProcess[str], *, code: int = 1) -> str:
    lines = [line for line in done.stderr.splitlines() if line and " INFO " not in line]
    assert (done.returncode, len(lines)) == (code, 1), done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return lines[0]


@pytest.mark.parametrize("command", ["api", "serve", "worker", "relay"])
def test_without_mongodb_a_process_says_where_it_looked(tmp_path: Path, command: str) -> None:
    said = the_one_sentence(run(tmp_path, command), code=2)

    assert "MongoDB at 127.0.0.1:1 does not answer" in said
    assert "PAYFLOW_MONGO_URL" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("command", ["api", "worker", "up", "demo"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("LOG_LEVEL", "LOUD"), ("API_PORT", "99999"), ("REDIS_URL", "nonsense"), ("DATA_DIR", "")],
)
def test_a_wrong_setting_ends_a_command_in_one_sentence(
    tmp_path: Path, command: str, name: str, value: str
) -> None:
    said = the_one_sentence(run(tmp_path, command, **{f"PAYFLOW_{name}": value}))

    assert f"PAYFLOW_{name}" in said


@pytest.mark.parametrize("command", ["api", "worker", "up", "demo"])
def test_too_few_open_files_are_refused_at_once(tmp_path: Path, command: str) -> None:
    script = f"ulimit -n 64; exec {sys.executable} -m cli.main {command}"

    said = the_one_sentence(run(tmp_path, "/bin/bash", "-c", script))

    assert "Only 64 files may be open here and PayFlow needs 1024" in said


def test_a_low_soft_limit_is_raised(tmp_path: Path) -> None:
    script = f"ulimit -Sn 64; exec {sys.executable} -m cli.main api"

    said = the_one_sentence(run(tmp_path, "/bin/bash", "-c", script), code=2)

    assert "MongoDB" in said  # that is what stops it


@pytest.mark.parametrize("command", ["up", "demo"])
@pytest.mark.parametrize("place", ["/proc/payflow", "file", "file/below"])
def test_a_data_folder_that_cannot_be_written_is_named(
    tmp_path: Path, command: str, place: str
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / place  # an absolute place stays as it is

    said = the_one_sentence(run(folder, command))

    assert f"The data folder {folder} cannot be used" in said
    assert "PAYFLOW_DATA_DIR" in said


def test_an_api_names_the_data_folder_it_cannot_keep_its_keys_in(
    single: EmbeddedStack, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    url = single.addresses.mongo_url

    said = the_one_sentence(run(tmp_path / "file", "api", PAYFLOW_MONGO_URL=url))

    assert f"The data folder {tmp_path / 'file'} cannot be used" in said


@pytest.mark.parametrize("command", ["api", "serve", "worker", "relay"])
def test_a_wrong_password_of_mongodb_is_said_without_it(
    single: EmbeddedStack, tmp_path: Path, command: str
) -> None:
    url = single.addresses.mongo_url
    password = urlsplit(url).password or ""
    wrong = url.replace(password, "hunter2hunter2")

    said = the_one_sentence(run(tmp_path, command, PAYFLOW_MONGO_URL=wrong))

    assert "refuses the user or the password of PAYFLOW_MONGO_URL" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "password", ["hunter2@hunter2", "hunter2:hunter2", "%zz:hunter2", "hunter2@a:hunter2"]
)
def test_a_connection_string_that_the_driver_refuses_is_said_without_its_password(
    tmp_path: Path, password: str
) -> None:
    url = f"mongodb://payflow:{password}@127.0.0.1:1/?replicaSet=rs0"

    said = the_one_sentence(run(tmp_path, "api", PAYFLOW_MONGO_URL=url))

    assert "PAYFLOW_MONGO_URL" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("command", ["api", "serve"])
def test_a_taken_port_is_said(tmp_path: Path, command: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = str(other.getsockname()[1])
        said = the_one_sentence(run(tmp_path, command, PAYFLOW_API_PORT=port))

    assert f"Port {port} on 127.0.0.1 is taken" in said
    assert "PAYFLOW_API_PORT" in said


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_said(tmp_path: Path, host: str) -> None:
    said = the_one_sentence(run(tmp_path, "api", PAYFLOW_API_HOST=host))

    assert f"cannot listen on {host}" in said
    assert "PAYFLOW_API_HOST" in said


def test_files_of_secrets_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "payflow_jwt_keys").write_bytes(b"\xff\xfe")

    said = the_one_sentence(run(tmp_path, "api", PAYFLOW_SECRETS_DIR=str(tmp_path)))

    assert "PAYFLOW_SECRETS_DIR" in said
