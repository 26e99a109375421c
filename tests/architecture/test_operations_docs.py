"""The runbook has a place for every alert, and for every row of the doctor that points to it."""

import re
from pathlib import Path

from payflow.domain.invariants import Invariant
from temporal.queries import SAVED, by_wallet

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"
PICTURE_BYTES = 150_000


def anchors() -> set[str]:
    """The headings of the runbook, as links to them are written."""
    titles = re.findall(r"^#+ (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_every_alert_has_its_heading() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", rules)

    assert alerts
    headings = re.findall(r"^### (\w+)$", PAGE.read_text(), flags=re.MULTILINE)
    assert headings == alerts


def test_who_is_sent_to_the_runbook_arrives() -> None:
    sources = [*(ROOT / "cli").rglob("*.py"), *(ROOT / "temporal").rglob("*.py"), PAGE]
    sent = {
        anchor
        for source in sources
        for anchor in re.findall(r"(?:operations\.md|\()#([\w-]+)", source.read_text())
    }

    assert {"parked", "cannot-run", "mongodb-without-primary"} <= sent
    assert sent <= anchors(), sent - anchors()


def test_every_rule_of_the_books_is_explained() -> None:
    page = PAGE.read_text()

    assert [rule for rule in Invariant if f"| {rule.value.replace('_', ' ')} |" not in page] == []


def test_every_saved_query_can_be_copied_from_the_page() -> None:
    page = PAGE.read_text()
    rows = [
        f"| {one.name} | `{one.query}` | {one.meaning} |" for one in (*SAVED, by_wallet("wal_…"))
    ]

    assert [row for row in rows if row not in page] == []


def test_the_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE.read_text())

    assert pictures
    for picture in pictures:
        assert 1_000 < (PAGE.parent / picture).stat().st_size < PICTURE_BYTES, picture
