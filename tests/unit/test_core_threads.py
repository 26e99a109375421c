"""The SDK's core runs on one thread of a process, or on as many as its operator says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

THREADS = Path("/proc/self/task")
OURS = """
from collections import Counter
from pathlib import Path
from temporalio.runtime import Runtime, TelemetryConfig
from temporal.runtime import one_core_thread
one_core_thread()
kept = Runtime(telemetry=TelemetryConfig())
names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
print(Counter(names)["tokio-rt-worker"])
"""


@pytest.mark.skipif(not THREADS.is_dir(), reason="threads are named in /proc on Linux only")
@pytest.mark.parametrize(("said", "threads"), [(None, 1), ("3", 3)])
def test_one_thread_unless_said_otherwise(said: str | None, threads: int) -> None:
    env = {name: value for name, value in os.environ.items() if name != "TOKIO_WORKER_THREADS"}
    if said is not None:
        env["TOKIO_WORKER_THREADS"] = said
    found = subprocess.run(
        [sys.executable, "-c", OURS], env=env, capture_output=True, text=True, check=True
    )
    assert int(found.stdout) == threads
