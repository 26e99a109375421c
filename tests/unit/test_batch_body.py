"""A CSV file is read as the JSON it stands for; a bad line is named."""

import pytest
from fastapi.exceptions import RequestValidationError

from api.batch_body import _checked, _from_csv
from api.v1 import examples
from payflow.domain.batches import MAX_ITEMS, BatchMode

HEADER = "source_wallet_id,destination_wallet_id,amount,currency"


def read(text: str) -> list[dict[str, object]]:
    body = _checked(_from_csv(text.encode(), BatchMode.ATOMIC))
    assert body.mode is BatchMode.ATOMIC
    return [item.model_dump(exclude_unset=True) for item in body.transfers]


def test_the_documented_file_is_read() -> None:
    first, second = read(examples.BATCH_CSV)
    assert (first["amount"], first["metadata"]) == (1250, {"order": "4711"})
    assert "metadata" not in second


def test_a_byte_order_mark_and_empty_lines_are_no_matter() -> None:
    assert len(read(f"\ufeff{HEADER}\r\n\r\nwal_1,wal_2,5,USD\r\n\r\n")) == 1


def test_more_items_than_one_transaction_holds_are_refused() -> None:
    lines = ["wal_1,wal_2,5,USD"] * (MAX_ITEMS + 1)
    with pytest.raises(RequestValidationError):
        read("\n".join([HEADER, *lines]))
    assert len(read("\n".join([HEADER, *lines[1:]]))) == MAX_ITEMS


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{HEADER}\nwal_1,wal_2,5,USD\nwal_1,wal_2,1.5,USD\n", 3),
        (f"{HEADER}\nwal_1,wal_2,0,USD\n", 2),
        (f"{HEADER}\nwal_1,wal_2,5,usd\n", 2),
        (f"{HEADER}\nwal_1,wal_2,5\n", 2),
        (f'{HEADER}\n\nwal_1,"wal_2,5,USD\n', 3),
        (f"{HEADER},surprise\nwal_1,wal_2,5,USD,1\n", 1),
        (f"{HEADER},amount\nwal_1,wal_2,5,USD,6\n", 1),
    ],
)
def test_a_bad_line_is_named(text: str, line: int) -> None:
    with pytest.raises(RequestValidationError) as refused:
        read(text)
    assert refused.value.errors()[0]["msg"].startswith(f"line {line}: ")
