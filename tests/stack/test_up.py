"""``payflow up`` from outside: started, refused, killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.pids import birth
from cli.ports import LOOPBACK
from tests.stack.waiting import eventually_sync

COMMAND = [sys.executable, "-m", "cli.main"]
READY_WITHIN_S = 40.0
GONE_WITHIN_S = 20.0


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    own = {"PAYFLOW_DATA_DIR": str(data_dir), "PAYFLOW_API_PORT": "0", "PAYFLOW_ENV": "test"}
    return {**os.environ, **own, **more}


def run(data_dir: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(data_dir, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Up:
    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.output = (data_dir / "up.out").open("w")
        self.process = subprocess.Popen(
            [*COMMAND, "up"], env=environment(data_dir), stdout=self.output, stderr=self.output
        )
        try:
            eventually_sync(self.is_ready, READY_WITHIN_S)
        except BaseException:
            self.end(signal.SIGTERM)
            raise

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said()
        return "PayFlow is ready" in self.said()  # stack.json may still be a killed one's

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.data_dir / "stack.json").read_text())
        return facts

    def said(self) -> str:
        return Path(self.output.name).read_text()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self.output.close()
        return code


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def up(data_dir: Path) -> Iterator[Up]:
    up = Up(data_dir)
    yield up
    if up.process.poll() is None:
        up.end(signal.SIGTERM)


def pids(facts: dict[str, Any]) -> list[int]:
    return [child["pid"] for child in facts["children"]]


def test_an_operator_is_made_on_the_stack_of_the_same_folder(up: Up) -> None:
    create = ("operator", "create", "--email", "olivia@example.com", "--password", "long enough")

    made = run(up.data_dir, *create)
    again = run(up.data_dir, *create)
    promoted = run(up.data_dir, *create, "--promote")

    assert (made.returncode, again.returncode, promoted.returncode) == (0, 1, 0)
    assert "olivia@example.com is an operator" in made.stdout
    assert "--promote" in again.stderr
    assert promoted.stdout == made.stdout


def test_a_stack_runs_alone_on_its_folder_and_stops_whole(up: Up) -> None:
    facts = up.facts()
    assert httpx.get(f"{facts['api_url']}/health/ready").status_code == 200
    assert facts["pids"]["api"] == facts["pids"]["worker"] == facts["pids"]["relay"]

    second = run(up.data_dir, "up")
    assert second.returncode == 1
    assert "runs on" in second.stderr
    assert second.stderr.count("\n") == 1
    assert up.facts() == facts

    assert up.end(signal.SIGTERM) == 0
    assert [pid for pid in pids(facts) if birth(pid)] == []
    assert not (up.data_dir / "stack.json").exists()


def test_after_a_kill_the_children_end_and_the_next_one_goes_on(tmp_path: Path) -> None:
    killed = Up(tmp_path)
    before = killed.facts()
    killed.end(signal.SIGKILL)
    assert (tmp_path / "stack.json").exists()

    after = Up(tmp_path)
    try:
        facts = after.facts()
        assert [pid for pid in pids(before) if birth(pid)] == []
        assert facts["mongo_url"] == before["mongo_url"]
        assert facts["api_url"] == before["api_url"]
        assert httpx.get(f"{facts['api_url']}/health/ready").status_code == 200
    finally:
        after.end(signal.SIGKILL)
    eventually_sync(lambda: not any(birth(pid) for pid in pids(facts)), GONE_WITHIN_S)


def test_a_taken_port_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        refused = run(tmp_path, "up", PAYFLOW_API_PORT=str(port))

    assert refused.returncode == 1
    assert f"Port {port} for api is taken" in refused.stderr
    assert "PAYFLOW_API_PORT" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_wrong_setting_is_named_without_its_value(tmp_path: Path) -> None:
    refused = run(tmp_path, "up", PAYFLOW_JWT_KEYS="secret-that-is-no-key-set")

    assert refused.returncode == 1
    assert "PAYFLOW_JWT_KEYS" in refused.stderr
    assert "secret-that" not in refused.stderr


def test_without_a_stack_there_is_nobody_to_make_an_operator_of(tmp_path: Path) -> None:
    refused = run(
        tmp_path, "operator", "create", "--email", "o@example.com", "--password", "long enough"
    )

    assert refused.returncode == 2
    assert "make up" in refused.stderr
    assert refused.stderr.count("\n") == 1
