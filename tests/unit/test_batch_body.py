"""A batch is read while it comes, in pieces of any size; what refuses it is found at once."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.batch_body import MAX_ERRORS, BatchCall, _Batch
from api.batch_csv import MAX_LINES, CsvBatch
from api.batch_json import MAX_DEPTH, MAX_VALUE_BYTES, JsonBatch
from api.large_bodies import LargeBodies
from api.v1 import examples
from payflow.domain.batches import MAX_ITEMS, BatchMode
from payflow.domain.limits import Overloaded
from payflow.domain.ports import TransferOrder

HEADER = "source_wallet_id,destination_wallet_id,amount,currency"
ITEM: dict[str, Any] = {
    "source_wallet_id": "wal_1",
    "destination_wallet_id": "wal_2",
    "amount": 5,
    "currency": "USD",
}


class Fed:
    """A batch that is fed text, and how much of it was taken before it was refused."""

    def __init__(self, text: str | bytes, form: str = "json", piece: int = 1_000_000) -> None:
        self.sent = text if isinstance(text, bytes) else text.encode()
        self.piece = piece
        self.taken = 0
        reader = JsonBatch() if form == "json" else CsvBatch("atomic")
        self.batch = _Batch(reader, "usr_1", "req_1", MAX_ITEMS)

    def call(self) -> BatchCall:
        for start in range(0, len(self.sent), self.piece):
            self.taken = start
            self.batch.feed(self.sent[start : start + self.piece])
        self.batch.end()
        return self.batch.call("POST", "/v1/batches", "usr_1", "key")

    def errors(self) -> Sequence[Any]:
        with pytest.raises(RequestValidationError) as refused:
            self.call()
        return refused.value.errors()


def orders(text: str, form: str = "json", piece: int = 1_000_000) -> Sequence[TransferOrder]:
    call = Fed(text, form, piece).call()
    assert call.order.mode is BatchMode.ATOMIC
    return call.order.items


def batch_of(*items: object, **more: object) -> str:
    return json.dumps({"mode": "atomic", "transfers": items, **more})


def test_the_documented_file_is_read() -> None:
    first, second = orders(examples.BATCH_CSV, "csv")
    assert (first.money.amount_minor, first.metadata) == (1250, {"order": "4711"})
    assert second.metadata == {}


def test_a_byte_order_mark_and_empty_lines_are_no_matter() -> None:
    assert len(orders(f"\ufeff{HEADER}\r\n\r\nwal_1,wal_2,5,USD\r\n\r\n", "csv")) == 1
    assert len(orders(f"\ufeff {batch_of(ITEM)}\r\n")) == 1


def csv_of(count: int) -> str:
    return "\n".join([HEADER, *["wal_1,wal_2,5,USD"] * count])


@pytest.mark.parametrize(
    ("form", "text_of"),
    [("csv", csv_of), ("json", lambda count: batch_of(*[ITEM] * count))],
    ids=["csv", "json"],
)
def test_the_item_beyond_the_most_is_refused_before_the_rest_is_read(
    form: str, text_of: Callable[[int], str]
) -> None:
    assert len(orders(text_of(MAX_ITEMS), form, 20_000)) == MAX_ITEMS
    fed = Fed(text_of(3 * MAX_ITEMS), form, 20_000)
    (error,) = fed.errors()
    assert (error["loc"], error["type"]) == (("body", "transfers"), "too_long")
    assert fed.taken < len(fed.sent) / 2


@pytest.mark.parametrize("form", ["csv", "json"])
def test_no_more_than_a_hundred_errors_are_looked_for(form: str) -> None:
    wrong = {**ITEM, "amount": 0}
    texts = {
        "csv": csv_of(MAX_ITEMS).replace("5", "0"),
        "json": batch_of(*[wrong] * MAX_ITEMS),
    }
    fed = Fed(texts[form], form, 20_000)
    errors = fed.errors()
    assert len(errors) == MAX_ERRORS
    assert [error["loc"][:3] for error in errors] == [
        ("body", "transfers", index) for index in range(MAX_ERRORS)
    ]
    assert fed.taken == 0


@pytest.mark.parametrize("text", ["{}", "[]", '"a"', "0", '{"a":0}'], ids=repr)
def test_a_body_of_many_small_things_is_refused_soon(text: str) -> None:
    many = ",".join([text] * 1_000_000)
    fed = Fed(f'{{"mode": "atomic", "transfers": [{many}]}}', piece=20_000)
    assert len(fed.errors()) == MAX_ERRORS
    assert fed.taken < 60_000


def test_members_that_nobody_knows_are_refused_soon() -> None:
    fed = Fed("{" + ",".join(f'"a{n}":0' for n in range(500_000)), piece=20_000)
    assert len(fed.errors()) == MAX_ERRORS
    assert fed.taken < 60_000


@pytest.mark.parametrize("piece", [1, 2, 7, 1_000_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_pieces_of_any_size_are_one_text(piece: int, indent: int | None) -> None:
    items = [
        ITEM,
        {**ITEM, "description": 'a "quoted" \\ text {[,]} \u20ac \U0001f600'},
        {**ITEM, "metadata": {"a": "]}", "b": '\\"', "c": ""}},
    ]
    for content in (
        {"mode": "atomic", "transfers": items},
        {"transfers": items, "mode": "atomic"},
    ):
        for ascii_only in (True, False):
            text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
            read = orders(text, piece=piece)
            assert [one.description for one in read] == [i.get("description") for i in items]
            assert [one.metadata for one in read] == [i.get("metadata", {}) for i in items]
    lines = f'{HEADER},description\r\nwal_1,wal_2,5,USD,"a\r\n""b"", c"\r\n\r\nwal_1,wal_2,6,USD,€'
    with pytest.raises(RequestValidationError, match="line 3: must not contain control"):
        orders(lines, "csv", piece)
    first, second = orders(lines.replace("a\r\n", "a "), "csv", piece)
    assert (first.description, second.description) == ('a "b", c', "€")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{]",
        '{"mode"',
        '{"mode" "atomic"}',
        '{"mode": "atomic",}',
        '{"mode": "atomic" "transfers": []}',
        '{"transfers": [',
        '{"transfers": [{}',
        '{"transfers": [{},]}',
        '{"transfers": [,{}]}',
        '{"transfers": [{} {}]}',
        '{"transfers": [{}]',
        '{"transfers": [{}}]}',
        '{"transfers": [[{}]}',
        '{"transfers": [{}]} {}',
        '{"transfers": [{"amount": NaN}]}',
        '{"transfers": [{"amount": 1, "amount": 2}]}',
        '{"transfers": [], "transfers": []}',
        '{"mode": "atomic", "mode": "independent"}',
        "{'transfers': []}",
        '{"transfers": [nonsense]}',
        '{"transfers": ["\\x"]}',
        b'{"transfers": ["\xff"]}',
        b'\xff\xfe{"transfers": []}',
        "{" * 100,
        f'{{"transfers": [{"[" * (MAX_DEPTH + 1)}',
        "nonsense",
    ],
)
@pytest.mark.parametrize("piece", [1, 1_000_000])
def test_what_is_not_json_of_one_meaning_is_malformed(text: str | bytes, piece: int) -> None:
    with pytest.raises(HTTPException) as refused:
        Fed(text, piece=piece).call()
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("{}", [("mode",), ("transfers",)]),
        ("[]", [()]),
        ("null", [("mode",), ("transfers",)]),
        ('"text"', [()]),
        ("12", [()]),
        (batch_of(), [("transfers",)]),
        (batch_of(ITEM, mode="some"), [("mode",)]),
        (batch_of(ITEM, more=1), [("more",)]),
        ('{"mode": "atomic", "transfers": {}}', [("transfers",)]),
        ('{"mode": "atomic", "transfers": 7}', [("transfers",)]),
        (batch_of(ITEM, 7), [("transfers", 1)]),
        (batch_of(ITEM, {**ITEM, "amount": "5"}), [("transfers", 1, "amount")]),
        (
            batch_of({**ITEM, "unknown": 1}, mode=7),
            [("mode",), ("transfers", 0, "unknown")],
        ),
        pytest.param(
            batch_of(ITEM, {"a": "b" * MAX_VALUE_BYTES}), [("transfers", 1)], id="a large item"
        ),
        pytest.param(batch_of(more=["b" * MAX_VALUE_BYTES]), [("more",)], id="a large member"),
    ],
)
@pytest.mark.parametrize("piece", [30_000, 1_000_000])
def test_what_is_wrong_is_named(text: str, fields: list[tuple[str, ...]], piece: int) -> None:
    found = [error["loc"][1:] for error in Fed(text, piece=piece).errors()]
    assert found == fields


def test_both_forms_of_a_batch_are_one_request() -> None:
    as_json = Fed(batch_of(ITEM, ITEM)).call()
    assert Fed(csv_of(2), "csv").call().claim == as_json.claim
    assert Fed(batch_of(ITEM, ITEM), piece=3).call().claim == as_json.claim
    for other in (batch_of(ITEM), batch_of(ITEM, {**ITEM, "amount": 6}), csv_of(3)):
        assert Fed(other, "csv" if other == csv_of(3) else "json").call().claim != as_json.claim


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
        ("", 1),
        pytest.param(HEADER + "\n" * 8_000_000, MAX_LINES + 1, id="empty lines"),
        pytest.param(
            f'{HEADER}\nwal_1,wal_2,5,USD\nwal_1,"{"w" * 2 * MAX_VALUE_BYTES}',
            3,
            id="a long record",
        ),
    ],
)
@pytest.mark.parametrize("piece", [5_000, 1_000_000])
def test_a_bad_line_is_named(text: str, line: int, piece: int) -> None:
    errors = Fed(text, "csv", piece).errors()
    assert errors[0]["msg"].startswith(f"line {line}: ")


def test_bodies_are_held_up_to_an_accounts_share_and_a_processs() -> None:
    bodies = LargeBodies(1_000, MAX_ITEMS)
    with bodies.begin("alice") as first:
        first.add(600)
        with bodies.begin("alice") as second:
            second.add(400)
            with pytest.raises(Overloaded, match="your requests"):
                second.add(1)
        first.add(400)
        others = [bodies.begin(name) for name in ("bob", "carol", "dave")]
        for one in others:
            one.__enter__().add(1_000)
        with bodies.begin("eve") as last, pytest.raises(Overloaded, match="Too many requests"):
            last.add(1)
        others[0].__exit__(None, None, None)
        with bodies.begin("eve") as last:
            last.add(1_000)
