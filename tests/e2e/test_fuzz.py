"""A fuzzer at the door: no request is answered with a 5xx or with what is not documented."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from cli.stack import EmbeddedStack
from tests.e2e.bank import Bank, Person

PROGRAM = Path(sys.executable).with_name("schemathesis")
RULES = Path(__file__).with_name("schemathesis.toml")
SEED = 20_260_131
LONG = os.environ.get("PAYFLOW_FUZZ") == "long"
# Streams never end; a rehearsal of faults is meant to break what follows; a session that was
# logged out, and an operator deactivated, end the run.
LEFT_OUT = r"/events/stream|/transfers/\{transfer_id\}/events|/simulation|/logout|/deactivate"
CASES = re.compile(r"([\d,]+) generated")


@pytest.fixture
def stack(pair: EmbeddedStack) -> EmbeddedStack:
    return pair


@pytest.mark.timeout(1_800 if LONG else 240)
async def test_nothing_breaks_the_door(bank: Bank, operator: Person, tmp_path: Path) -> None:
    code, said = await fuzz(
        f"{bank.urls[0]}/openapi.json",
        f"--exclude-path-regex={LEFT_OUT}",
        *(["--max-examples=60"] if LONG else ["--max-examples=2", "--phases=examples,fuzzing"]),
        operator=operator,
        folder=tmp_path,
    )
    cases = CASES.search(said)

    assert code == 0, said[-20_000:]
    assert cases, said
    assert int(cases[1].replace(",", "")) >= (2_000 if LONG else 200), said
    sys.stdout.write(said[-2_000:])


async def test_what_is_not_documented_is_found(
    bank: Bank, operator: Person, tmp_path: Path
) -> None:
    document = (await bank.ask("GET", "/openapi.json")).json()
    del document["paths"]["/v1/wallets/{wallet_id}"]["get"]["responses"]["404"]
    (tmp_path / "openapi.json").write_text(json.dumps(document))

    code, said = await fuzz(
        "openapi.json",
        f"--url={bank.urls[0]}",
        "--include-path=/v1/wallets/{wallet_id}",
        "--max-examples=2",
        "--phases=fuzzing",
        operator=operator,
        folder=tmp_path,
    )

    assert code == 1
    assert "ndocumented" in said, said
    assert "404" in said


async def fuzz(*words: str, operator: Person, folder: Path) -> tuple[int | None, str]:
    """The fuzzer's exit code, and what it said."""
    fuzzer = await asyncio.create_subprocess_exec(
        PROGRAM,
        f"--config-file={RULES}",
        "run",
        *words,
        f"--header=Authorization: Bearer {operator.token}",
        f"--seed={SEED}",
        "--checks=all",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--generation-database=none",
        "--no-color",
        "--workers=2",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await fuzzer.communicate())[0].decode()
    return fuzzer.returncode, said
