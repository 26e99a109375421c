"""The containers' files: they parse, they name settings that exist, the image carries no extras."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from payflow.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
PRODUCTION = ROOT / "docker-compose.prod.yml"
PROGRAM = Path(sys.executable).with_name("docker-compose")
DEMANDED = {
    "PAYFLOW_JWT_KEYS": '{"keys": [{}]}',
    "PAYFLOW_WEBHOOK_KEYS": '{"keys": [{}]}',
    "TEMPORAL_DB_PASSWORD": "secret",
}

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


@pytest.mark.parametrize("file", [DOCKERFILE, COMPOSE, PRODUCTION], ids=lambda file: file.name)
def test_every_name_is_a_setting(file: Path) -> None:
    named = set(re.findall(r"PAYFLOW_[A-Z_]+", file.read_text()))

    assert named <= {f"PAYFLOW_{name.upper()}" for name in Settings.model_fields}


def test_ports_are_open_to_this_machine_only() -> None:
    published = re.findall(r'^ +- "(\S+:\d+)"$', COMPOSE.read_text(), re.MULTILINE)

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_mongod_gives_dead_transactions_up_as_soon_as_the_embedded_one() -> None:
    assert "transactionLifetimeLimitSeconds=10" in COMPOSE.read_text()


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


def _config(*files: Path, env: dict[str, str]) -> tuple[int, str]:
    """The exit code of ``docker-compose config -q``, and what it said."""
    done = subprocess.run(
        [PROGRAM, *(word for file in files for word in ("-f", file)), "config", "-q"],
        # a .env of whoever runs the tests is not looked at
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COMPOSE_DISABLE_ENV_FILE": "1"}
        | env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr
