"""The containers' files: they parse, they name settings that exist, the image carries no extras."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.preferences import MAX_WAIT_S
from api.server import KEEP_ALIVE_S
from payflow.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
PRODUCTION = ROOT / "docker-compose.prod.yml"
SCALE = ROOT / "docker-compose.scale.yml"
PROXY = ROOT / "deploy" / "nginx.conf"
OURS = ("api", "worker", "relay")
PROGRAM = Path(sys.executable).with_name("docker-compose")
KUBERNETES = sorted((ROOT / "deploy" / "kubernetes").rglob("*.yaml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DEMANDED = {
    "PAYFLOW_JWT_KEYS_FILE": "secrets/payflow_jwt_keys",
    "PAYFLOW_WEBHOOK_KEYS_FILE": "secrets/payflow_webhook_keys",
    "PAYFLOW_PROOF_KEYS_FILE": "secrets/payflow_proof_keys",
    "TEMPORAL_DB_PASSWORD": "secret",
    "MONGO_PASSWORD": "mongo0secret",
    "REDIS_PASSWORD": "redis0secret",
}

SETTINGS = {f"PAYFLOW_{name.upper()}" for name in Settings.model_fields}
SECRETS = {"PAYFLOW_JWT_KEYS", "PAYFLOW_WEBHOOK_KEYS", "PAYFLOW_PROOF_KEYS"}

needs_compose = pytest.mark.skipif(not PROGRAM.exists(), reason="no docker-compose here")


@needs_compose
def test_the_stack_parses_with_nothing_set() -> None:
    assert _config(COMPOSE, env={}) == (0, "")


@needs_compose
def test_production_parses_with_what_it_demands() -> None:
    assert _config(COMPOSE, PRODUCTION, env=DEMANDED) == (0, "")


@needs_compose
@pytest.mark.parametrize("name", DEMANDED)
def test_production_says_what_is_missing(name: str) -> None:
    given = {key: value for key, value in DEMANDED.items() if key != name}

    code, said = _config(COMPOSE, PRODUCTION, env=given)

    assert code != 0
    assert f"required variable {name} is missing" in said


@needs_compose
@pytest.mark.parametrize("below", [(COMPOSE,), (COMPOSE, PRODUCTION)], ids=["dev", "production"])
def test_the_scaled_stack_parses_over_either(below: tuple[Path, ...]) -> None:
    assert _config(*below, SCALE, env=DEMANDED) == (0, "")


@needs_compose
def test_the_scaled_stack_has_several_of_ours_behind_one_door() -> None:
    services = _services(COMPOSE, PRODUCTION, SCALE)

    replicas = {name: services[name]["deploy"].get("replicas", 1) for name in OURS}
    assert all(count > 1 for count in replicas.values()), replicas
    assert not any(services[name].get("ports") for name in OURS)
    (door,) = services["proxy"]["ports"]
    assert (door["host_ip"], door["target"]) == ("127.0.0.1", 8080)
    assert "container_name" not in str(services)


@needs_compose
def test_scaling_takes_nothing_of_what_a_service_is_held_to() -> None:
    alone, scaled = _services(COMPOSE, PRODUCTION), _services(COMPOSE, PRODUCTION, SCALE)

    for name in OURS:
        assert alone[name]["environment"].items() <= scaled[name]["environment"].items()
        kept = ("read_only", "cap_drop", "security_opt", "stop_grace_period")
        assert all(scaled[name].get(key) == alone[name].get(key) for key in kept)
    assert set(alone["mongo"]["command"]) - set(scaled["mongo"]["command"]) == {
        "--wiredTigerCacheSizeGB=0.5"
    }
    assert all("limits" in service["deploy"]["resources"] for service in scaled.values())


def test_the_proxy_lets_through_what_the_api_takes() -> None:
    text = PROXY.read_text()
    size = re.search(r"client_max_body_size (\d+)m;", text)
    patience = re.search(r"proxy_read_timeout (\d+)s;", text)
    idle = re.search(r"keepalive_timeout (\d+)s;", text)

    assert size and int(size[1]) * 1024 * 1024 >= Settings().max_batch_bytes
    assert patience and int(patience[1]) > MAX_WAIT_S
    assert idle and int(idle[1]) < KEEP_ALIVE_S
    assert "non_idempotent" not in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    "file",
    [DOCKERFILE, COMPOSE, PRODUCTION, SCALE, *KUBERNETES, *WORKFLOWS],
    ids=lambda file: file.name,
)
def test_every_name_is_a_setting(file: Path) -> None:
    named = set(re.findall(r"PAYFLOW_[A-Z_]+|(?<!/)payflow_[a-z_]+_keys", file.read_text()))

    assert {name.upper().removesuffix("_FILE") for name in named} <= SETTINGS


def test_there_are_manifests_and_workflows_to_look_at() -> None:
    assert len(KUBERNETES) > 5
    assert len(WORKFLOWS) > 2


@needs_compose
def test_production_hands_secrets_over_as_files_of_settings() -> None:
    services = _services(COMPOSE, PRODUCTION)

    for name in OURS:
        given = {secret["source"] for secret in services[name]["secrets"]}
        assert given == {"payflow_jwt_keys", "payflow_webhook_keys", "payflow_proof_keys"}
        assert not {
            key for key in services[name]["environment"] if "KEYS" in key and key in SECRETS
        }


@pytest.mark.parametrize("file", [COMPOSE, SCALE], ids=lambda file: file.name)
def test_ports_are_open_to_this_machine_only(file: Path) -> None:
    published = re.findall(r'^ +- "(\S+:\d+)"$', file.read_text(), re.MULTILINE)

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("file", [COMPOSE, SCALE], ids=lambda file: file.name)
def test_mongod_gives_dead_transactions_up_as_soon_as_the_embedded_one(file: Path) -> None:
    assert "transactionLifetimeLimitSeconds=10" in file.read_text()


@needs_compose
@pytest.mark.parametrize("over", [(), (PRODUCTION,), (PRODUCTION, SCALE)], ids=len)
def test_mongodb_and_redis_ask_for_the_password_that_payflow_has(over: tuple[Path, ...]) -> None:
    services = _services(COMPOSE, *over)
    mongo, redis = services["mongo"], services["redis"]

    assert "--keyFile=/tmp/mongo.key" in mongo["command"]
    assert "user default off" in " ".join(redis["command"])
    assert "-@admin -@dangerous" in " ".join(redis["command"])
    assert mongo["environment"] == services["mongo-init"]["environment"]
    for name in OURS:
        given = services[name]["environment"]
        assert "payflow:mongo0secret@mongo" in given["PAYFLOW_MONGO_URL"]
        assert "payflow:redis0secret@redis" in given["PAYFLOW_REDIS_URL"]


@needs_compose
def test_no_password_is_on_a_command_line_of_a_container() -> None:
    words = str([service.get("command") for service in _services(COMPOSE, PRODUCTION).values()])

    assert not [name for name in ("mongo0secret", "redis0secret", "'secret'") if name in words]


def test_the_image_is_built_in_two_stages_and_runs_as_nobody_of_importance() -> None:
    *_, last = re.split(r"^FROM ", DOCKERFILE.read_text(), flags=re.MULTILINE)
    users = re.findall(r"^USER (\S+)$", last, re.MULTILINE)

    assert len(_instructions("FROM")) > 1
    assert users
    assert users[-1] not in ("root", "0")
    assert "PAYFLOW_ENV=production" in last


def test_the_image_takes_hashed_packages_and_no_development_ones() -> None:
    text = DOCKERFILE.read_text()

    assert "--require-hashes -r requirements.lock" in text
    assert "requirements-dev" not in text
    assert "[dev]" not in text


def test_the_image_gets_every_package_that_is_released() -> None:
    copied = {line.split()[0] for line in _instructions("COPY")}
    released = re.search(r"^packages = \[(.+)\]$", (ROOT / "pyproject.toml").read_text(), re.M)

    assert released
    assert set(re.findall(r'"(\w+)"', released[1])) <= copied


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE.read_text(), re.MULTILINE)


def _services(*files: Path) -> dict[str, Any]:
    """The services as Compose reads them, laid over each other."""
    done = _compose(*files, "--format", "json", env=DEMANDED)
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def _config(*files: Path, env: dict[str, str]) -> tuple[int, str]:
    """The exit code of ``docker-compose config -q``, and what it said."""
    done = _compose(*files, "-q", env=env)
    return done.returncode, done.stderr


def _compose(*words: Path | str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """``docker-compose config`` of the files, with the options behind them."""
    files = [word for path in words if isinstance(path, Path) for word in ("-f", str(path))]
    return subprocess.run(
        [PROGRAM, *files, "config", *(word for word in words if isinstance(word, str))],
        # a .env of whoever runs the tests is not looked at
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COMPOSE_DISABLE_ENV_FILE": "1"}
        | env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
