"""Idempotency keys and the hash of the request they stand for."""

import pytest

from api.errors import IdempotencyKeyInvalid, IdempotencyKeyRequired
from api.idempotency import parse_key, request_hash

PATH = "/v1/transfers"


@pytest.mark.parametrize("key", ["a", "order-4711", "two words", "~" * 255, '"quoted"'])
def test_a_printable_key_is_taken_as_it_is(key: str) -> None:
    assert parse_key([key]) == key


def test_no_key_is_not_the_same_as_a_bad_one() -> None:
    with pytest.raises(IdempotencyKeyRequired):
        parse_key([])


@pytest.mark.parametrize("values", [[""], ["~" * 256], ["tab\there"], ["é"], ["\x7f"], ["a", "a"]])
def test_a_key_that_cannot_be_kept_is_invalid(values: list[str]) -> None:
    with pytest.raises(IdempotencyKeyInvalid):
        parse_key(values)


def test_the_order_of_fields_makes_no_other_request() -> None:
    one = request_hash("POST", PATH, {"amount": 1, "metadata": {"a": "b", "c": "d"}})
    same = request_hash("POST", PATH, {"metadata": {"c": "d", "a": "b"}, "amount": 1})
    assert one == same


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", PATH, {"amount": 1}),
        ("POST", "/v1/batches", {"amount": 1}),
        ("POST", PATH, {"amount": 2}),
        ("POST", PATH, {"amount": "1"}),
        ("POST", PATH, {"amount": 1, "description": None}),
        ("POST", PATH, [{"amount": 1}]),
        ("POST", PATH, None),
    ],
)
def test_any_difference_makes_another_request(method: str, path: str, body: object) -> None:
    assert request_hash(method, path, body) != request_hash("POST", PATH, {"amount": 1})


def test_any_text_has_a_hash() -> None:
    assert request_hash("POST", PATH, {"\ud800": "\x00"}) != request_hash("POST", PATH, {})
