"""``payflow demo`` from outside: it ends well and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_tells_its_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo"],
        env={**os.environ, "PAYFLOW_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    for act in (
        "is completed",
        "did not have enough",
        "The money is back",
        "after the kill",
        "Its timeline, as an operator reads it",
        "attempt  credit 1",
        "verified",
        "✓ Every position of the feed is taken",
    ):
        assert act in shown.stdout
    assert shown.stdout.count("the wallets hold what came in, to the cent") == 5
    assert list((tmp_path / "data").iterdir()) == []
