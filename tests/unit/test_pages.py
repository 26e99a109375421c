"""Cursors: what a list gave out comes back as its key, anything else is refused."""

import pytest

from api.errors import CursorInvalid
from api.pages import cursor_of, id_after, page_object, sequence_after
from payflow.domain.identifiers import Prefix
from payflow.domain.ports import Page

KEY = "trf_01KDVE0A4Q5J7TP7S8R9VWXYZ3"


def test_a_cursor_comes_back_as_its_key() -> None:
    assert id_after(cursor_of(KEY), Prefix.TRANSFER) == KEY
    assert sequence_after(cursor_of("17")) == "17"
    assert id_after(None, Prefix.TRANSFER) is None
    assert sequence_after(None) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%%%",
        "ä",
        "\x00",
        KEY,
        cursor_of(KEY)[:-1],
        cursor_of(KEY) + "=",
        cursor_of(KEY) + "A",
        cursor_of(KEY) + "\n",
        cursor_of("wal_01KDVE0A4Q5J7TP7S8R9VWXYZ3"),
        cursor_of("trf_"),
        cursor_of("17"),
    ],
)
def test_a_cursor_no_list_of_transfers_gave_out_is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        id_after(cursor, Prefix.TRANSFER)


@pytest.mark.parametrize("key", ["0", "-1", "1.0", "9" * 19, "ten", KEY, ""])
def test_a_cursor_no_statement_gave_out_is_refused(key: str) -> None:
    with pytest.raises(CursorInvalid):
        sequence_after(cursor_of(key))


def test_only_a_page_with_a_next_one_has_a_cursor() -> None:
    more = page_object(Page([1, 2], next_key=KEY), lambda n: {"n": n})
    assert more == {
        "object": "list",
        "data": [{"n": 1}, {"n": 2}],
        "has_more": True,
        "next_cursor": cursor_of(KEY),
    }
    last = page_object(Page([3]), lambda n: {"n": n})
    assert (last["has_more"], last["next_cursor"]) == (False, None)
