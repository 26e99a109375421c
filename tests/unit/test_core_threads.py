"""The SDK's core runs on one thread of a process, or on as many as its operator says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

THREADS = Path("/proc/self/task")
OURS = """
import sys
import time
from pathlib import Path
from temporalio.runtime import Runtime, TelemetryConfig
from temporal.runtime import one_core_thread

def threads():
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    return names.count("tokio-rt-worker")

one_core_thread()
kept = Runtime(telemetry=TelemetryConfig())
until = time.monotonic() + 10
while threads() < int(sys.argv[1]) and time.monotonic() < until:
    time.sleep(0.01)  # a thread takes its name once it runs
time.sleep(0.2)  # and one too many would show by now
print(threads())
"""


@pytest.mark.skipif(not THREADS.is_dir(), reason="threads are named in /proc on Linux only")
@pytest.mark.parametrize(("said", "threads"), [(None, 1), ("3", 3)])
def test_one_thread_unless_said_otherwise(said: str | None, threads: int) -> None:
    env = {name: value for name, value in os.environ.items() if name != "TOKIO_WORKER_THREADS"}
    if said is not None:
        env["TOKIO_WORKER_THREADS"] = said
    found = subprocess.run(
        [sys.executable, "-c", OURS, str(threads)],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(found.stdout) == threads
