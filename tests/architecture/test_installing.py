"""How PayFlow is installed: with the newest Python at hand, from wheels, one OpenTelemetry."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKE = str(shutil.which("make"))
WORKS = "#!/bin/sh\nexit 0\n"
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"


def chosen(folder: Path, **more: str) -> str:
    """The interpreter that `make install` would take with only ``folder`` on PATH."""
    (folder / "sh").symlink_to(str(shutil.which("sh")))
    done = subprocess.run(
        [MAKE, "--no-print-directory", "--eval=show:; @: $(info $(PYTHON))", "show"],
        cwd=ROOT,
        env={"PATH": str(folder), **more},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        pytest.param({"3.13": WORKS, "3.12": WORKS, "3.11": WORKS}, "python3.13", id="newest"),
        pytest.param({"3.13": SHIM, "3.12": WORKS, "3.11": WORKS}, "python3.12", id="dead shim"),
        pytest.param({"3.13": SHIM, "3.11": WORKS}, "python3.11", id="only 3.11"),
        pytest.param({"3": WORKS}, "python3", id="only python3"),
        pytest.param({"3.13": SHIM}, "", id="none"),
    ],
)
def test_make_takes_the_newest_python_that_works(
    tmp_path: Path, programs: dict[str, str], expected: str
) -> None:
    for version, text in programs.items():
        program = tmp_path / f"python{version}"
        program.write_text(text)
        program.chmod(0o755)

    assert chosen(tmp_path) == expected


def test_make_takes_the_python_it_is_given(tmp_path: Path) -> None:
    assert chosen(tmp_path, PYTHON="/opt/python3") == "/opt/python3"


def test_without_a_python_make_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [MAKE, "install", f"VENV={tmp_path}/venv", "PYTHON="],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode != 0
    assert "PayFlow needs Python 3.11 or newer" in done.stderr


def test_make_compiles_nothing() -> None:
    installs = re.findall(r"pip install .*|\$\(PIP_INSTALL\).*", (ROOT / "Makefile").read_text())

    assert installs
    assert all(
        "--only-binary :all:" in line or "$(PIP_INSTALL)" in line or "--no-deps" in line
        for line in installs
        if "uv" not in line
    )


def test_opentelemetry_is_one_release() -> None:
    wanted = [name for name in PROJECT["dependencies"] if name.startswith("opentelemetry")]
    versions = {re.sub(r"^[a-z-]+", "", name) for name in wanted}

    assert len(wanted) == 5
    assert len(versions) == 2, versions  # a stable one, and its beta
    assert all(version.startswith("==") for version in versions)


def test_image_and_workflows_take_the_newest_supported_python() -> None:
    supported = [
        tuple(map(int, found))
        for found in re.findall(r"Python :: (\d+)\.(\d+)", "\n".join(PROJECT["classifiers"]))
    ]
    newest = ".".join(map(str, max(supported)))
    images = re.findall(r"^FROM python:([\d.]+)", (ROOT / "Dockerfile").read_text(), re.M)
    named = [
        version
        for workflow in (ROOT / ".github" / "workflows").glob("*.yml")
        for version in re.findall(r'python-version: "([\d.]+)"', workflow.read_text())
    ]

    assert newest == "3.13"
    assert set(images) == set(named) == {newest}
