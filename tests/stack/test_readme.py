"""The README's first steps, run as they stand: twice, with a restart of the stack between."""

import re
import signal
import subprocess
from pathlib import Path

from tests.stack.test_up import Up

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8000/v1"


def first_steps() -> str:
    (script,) = (
        block
        for block in re.findall(r"^```sh\n(.+?)^```$", README.read_text(), re.M | re.S)
        if ADDRESS in block
    )
    return str(script)


def walk(stack: Up) -> str:
    """What the script prints, run by a shell that ends at the first error."""
    script = first_steps().replace(ADDRESS, f"{stack.facts()['api_url']}/v1")
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_steps_of_the_readme_can_be_repeated_on_the_same_data(tmp_path: Path) -> None:
    said = []
    for _ in range(2):
        stack = Up(tmp_path)
        try:
            said.append(walk(stack))
        finally:
            stack.end(signal.SIGTERM)

    transfers = [set(re.findall(r"trf_\w{26}", text)) for text in said]
    assert transfers[0] == transfers[1]
    assert len(transfers[0]) == 1
    for text in said:
        assert '"status":"completed"' in text
        assert '"balance_after":8750' in text
