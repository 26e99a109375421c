"""The command line against the API: an id is an id, and any answer is understood or refused."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.webhooks.receivers import Receiver, answering, receiver, status

LOGIN = json.dumps({"access_token": "a", "refresh_token": "b"}).encode()
WHO = ["--email", "operator@example.com", "--password", "password"]


async def run(*words: str, login: bytes = LOGIN, said: bytes = b"") -> tuple[int, str, Receiver]:
    """The exit code and output of ``payflow`` against an API that answers so."""
    answers = answering(status(200, "Connection: close", body=login), said)
    async with receiver(answers) as api:
        url = ["--api-url", api.url.removesuffix("/hook")]
        done = await asyncio.to_thread(CliRunner().invoke, app, [*words, *WHO, *url])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output, api


@pytest.mark.parametrize(
    "words",
    [
        ["transfers", "show"],
        ["transfers", "retry", "--reason", "r"],
        ["transfers", "refund", "--reason", "r"],
        ["transfers", "pause", "--reason", "r"],
        ["transfers", "resume", "--reason", "r"],
        ["proof", "close", "--reason", "r"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("wrong", ["../api-keys/key_1", "a/b", "a?b", "a#b", "é", "..", "x" * 65])
async def test_an_id_is_one_segment_of_the_path(words: list[str], wrong: str) -> None:
    code, said, api = await run(*words, wrong)
    assert (code, "_id: must be an id" in said) == (1, True), said
    assert len(api.requests) <= 1  # the sign-in at most


async def test_a_good_id_is_asked_for() -> None:
    problem = json.dumps({"code": "transfer_not_found", "detail": "There is no transfer trf_1."})
    code, said, api = await run(
        "transfers", "show", "trf_1", said=status(404, body=problem.encode())
    )
    assert (code, said) == (1, "There is no transfer trf_1. (transfer_not_found)\n")
    assert len(api.requests) == 2


async def test_the_fields_of_a_refusal_are_said() -> None:
    problem = {
        "code": "validation_error",
        "detail": "See errors.",
        "errors": [{"field": "reason", "message": "must not be empty"}],
    }
    code, said, _ = await run(
        "transfers", "pause", "trf_1", "--reason", "r",
        said=status(422, body=json.dumps(problem).encode()),
    )  # fmt: skip
    assert (code, said) == (1, "See errors. (validation_error)\n  reason: must not be empty\n")


@pytest.mark.parametrize("odd", [b"<h1>Sign in</h1>", b"[]", b"7", b"[" * 100_000, b"\xff", b""])
@pytest.mark.parametrize("code", [200, 403, 502])
async def test_what_is_no_answer_of_the_api_is_said_so(odd: bytes, code: int) -> None:
    exit_code, said, _ = await run("transfers", "show", "trf_1", said=status(code, body=odd))
    assert (exit_code, "is no PayFlow API" in said) == (2, True), said


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "http://[", "ftp://a"])
def test_an_address_that_is_none_is_said_at_once(url: str) -> None:
    done = CliRunner().invoke(app, ["transfers", "show", "trf_1", *WHO, "--api-url", url])
    assert (done.exit_code, done.output.startswith("--api-url: ")) == (1, True)
