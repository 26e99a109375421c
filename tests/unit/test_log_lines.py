"""What a log line says, and what it never says."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from loguru import logger
from pydantic import SecretStr

from payflow.observability.context import about, note
from payflow.observability.logs import configure_logs
from payflow.settings import Environment, Settings

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
JWKS = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "d": KEY, "x": "public"}]})


def settings(env: Environment = Environment.PRODUCTION, level: str = "INFO") -> Settings:
    return Settings(
        env=env,
        log_level=level,
        jwt_keys=SecretStr(JWKS),
        webhook_keys=SecretStr(JWKS),
        proof_keys=SecretStr(JWKS),
        codec_keys=SecretStr(f"one:{KEY}"),
    )


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    logger.remove()


def lines(said: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.readouterr().err.splitlines()]


def test_production_writes_json_with_what_the_work_is_about(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(settings(), "worker", lambda: {"trace_id": "4bf92f", "span_id": "00f067"})
    with about(request_id="req_1", workflow_id="transfer/trf_1", transfer_id=None):
        note(transfer_id="trf_1")
        logger.info("moved {} of it", 2)
    logger.info("outside")

    inside, outside = lines(capsys)
    assert inside["time"].endswith("Z")
    assert inside | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "message": "moved 2 of it",
        "logger": __name__,
        "role": "worker",
        "request_id": "req_1",
        "workflow_id": "transfer/trf_1",
        "transfer_id": "trf_1",
        "trace_id": "4bf92f",
        "span_id": "00f067",
    }
    assert "request_id" not in outside


def test_people_get_the_same_facts(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(settings(Environment.DEV), "api")
    with about(request_id="req_1"):
        logger.warning("slow")

    assert capsys.readouterr().err.endswith("WARNING  slow  [role=api request_id=req_1]\n")


@pytest.mark.parametrize("env", [Environment.DEV, Environment.PRODUCTION])
def test_secrets_are_masked_in_messages_fields_and_tracebacks(
    capsys: pytest.CaptureFixture[str], env: Environment
) -> None:
    configure_logs(settings(env), "api")
    local = "canary-in-a-local"
    try:
        raise ValueError(
            f"key {KEY} of alice@example.com, password=canary-in-an-error {len(local)}"
        )
    except ValueError:
        logger.bind(token="canary-in-a-field").exception("failed with Bearer canary-in-a-line")

    said = capsys.readouterr().err
    assert "ValueError" in said
    for canary in ("canary", KEY, "alice@example.com"):
        assert canary not in said.replace('"canary-in-a-local"', "")  # the line of source itself


def test_the_level_is_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(settings(level="warning"), "api")
    logger.info("chatter")
    logger.warning("trouble")

    assert [line["message"] for line in lines(capsys)] == ["trouble"]


@pytest.mark.parametrize("library", ["uvicorn.error", "temporalio.worker", "pymongo.client"])
def test_the_libraries_lines_come_along(capsys: pytest.CaptureFixture[str], library: str) -> None:
    configure_logs(settings(), "worker")
    extra = {"temporal_workflow": {"workflow_id": "transfer/trf_1"}}
    logging.getLogger(library).warning("password=%s", "canary", extra=extra)

    (line,) = lines(capsys)
    assert line["logger"] == library
    assert line["message"] == "password=<masked>"
    assert (line["workflow_id"], line["transfer_id"]) == ("transfer/trf_1", "trf_1")


def test_the_driver_s_own_chatter_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(settings(level="TRACE"), "worker")
    logging.getLogger("pymongo.command").debug("documents")
    logging.getLogger("httpx").info("a request")
    logging.getLogger("temporalio.activity").warning("the words of an error")

    assert lines(capsys) == []
