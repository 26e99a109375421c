"""Every planted bug turns its tests red, which are green without it.

`make test` plants those that need no server; `make planted` (PAYFLOW_STORM=long) plants all of
them and writes docs/planted-bugs.md.
"""

import os
import re
from pathlib import Path

import pytest

from tests.planted.harness import GREEN, RED, ROOT, run_tests, table
from tests.planted.planting import Bug, Reach, all_bugs

LONG = os.environ.get("PAYFLOW_STORM") == "long"
BUGS = [bug for bug in all_bugs() if LONG or bug.reach is Reach.UNIT]
REACHES = [reach for reach in Reach if any(bug.reach is reach for bug in BUGS)]
PAGE = ROOT / "docs" / "planted-bugs.md"

caught: dict[Bug, tuple[str, ...]] = {}


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("reach", REACHES)
def test_without_a_bug_the_tests_are_green(reach: Reach, tmp_path: Path) -> None:
    names = dict.fromkeys(one for bug in BUGS if bug.reach is reach for one in bug.caught_by)
    run = run_tests(tuple(names), None, reach, tmp_path / "planted")
    assert run.code == GREEN, run.output


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: Bug, tmp_path: Path) -> None:
    run = run_tests(bug.caught_by, bug, bug.reach, tmp_path / "planted")
    assert run.code == RED, run.output
    met = {one.split("[")[0] for one in run.red}
    assert met == {one.split("[")[0] for one in bug.caught_by}, run.output
    caught[bug] = bug.caught_by


@pytest.mark.skipif(not LONG, reason="the short form plants only some")
def test_the_page_says_who_caught_what() -> None:
    assert set(caught) == set(BUGS)
    PAGE.write_text(table(caught))


@pytest.mark.parametrize("bug", all_bugs(), ids=lambda bug: bug.name)
def test_who_catches_it_is_there(bug: Bug) -> None:
    for one in bug.caught_by:
        path, _, name = one.partition("[")[0].partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), one


def test_the_page_names_every_bug_and_no_other() -> None:
    page = PAGE.read_text()
    assert page == table({bug: bug.caught_by for bug in all_bugs()})
