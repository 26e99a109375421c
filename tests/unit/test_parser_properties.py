"""What strangers send, in every shape: a parser gives its value, or its own refusal."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import CursorInvalid, IdempotencyKeyInvalid, IdempotencyKeyRequired
from api.idempotency import parse_key, request_hash
from api.pages import cursor_of, id_after, sequence_after
from api.preferences import MAX_WAIT_S, parse_wait
from payflow.domain.identifiers import Prefix, is_id
from payflow.domain.webhook_errors import WebhookSecretInvalid
from payflow.storage.identity import new_id
from payflow.webhooks.signing import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignatureInvalid,
    secret_bytes,
    signed_headers,
    verify,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = bytes(range(32))
MOMENTS = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001  # Hypothesis wants naive bounds, and adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(st.text(max_size=200))
def test_no_text_but_a_cursor_of_ours_is_one(text: str) -> None:
    with suppress(CursorInvalid):
        key = id_after(text, Prefix.TRANSFER)
        assert key is not None
        assert cursor_of(key) == text
    with suppress(CursorInvalid):
        number = sequence_after(text)
        assert number is not None
        assert int(number) > 0


@given(MOMENTS, st.sampled_from(Prefix))
def test_a_cursor_leads_back_to_its_id_and_to_no_other_list(at: datetime, prefix: Prefix) -> None:
    made = new_id(prefix, at)

    assert id_after(cursor_of(made), prefix) == made
    for other in set(Prefix) - {prefix}:
        with pytest.raises(CursorInvalid):
            id_after(cursor_of(made), other)


@given(st.integers(1, 10**18 - 1))
def test_a_cursor_leads_back_to_its_number(number: int) -> None:
    assert sequence_after(cursor_of(str(number))) == str(number)


@given(st.text(max_size=40), st.sampled_from(Prefix))
def test_no_text_but_an_id_is_one(text: str, prefix: Prefix) -> None:
    assert not is_id(text, prefix) or (len(text) == 30 and text.isascii())


@given(MOMENTS, st.sampled_from(Prefix), st.integers(0, 29))
def test_an_id_with_a_wrong_sign_is_none(at: datetime, prefix: Prefix, place: int) -> None:
    made = new_id(prefix, at)

    assert is_id(made, prefix)
    assert not is_id(f"{made[:place]}!{made[place + 1 :]}", prefix)


@given(PRINTABLE)
def test_every_printable_key_is_taken_as_it_is(key: str) -> None:
    assert parse_key([key]) == key


@given(st.lists(st.text(max_size=300), max_size=3))
def test_any_headers_are_a_key_or_refused(values: list[str]) -> None:
    with suppress(IdempotencyKeyRequired, IdempotencyKeyInvalid):
        assert [parse_key(values)] == values
        assert values[0].isascii()
        assert values[0].isprintable()


@given(JSON)
def test_a_request_has_one_hash_in_every_spelling(body: object) -> None:
    turned = dict(reversed(body.items())) if isinstance(body, dict) else body
    same = request_hash("POST", "/v1/transfers", body)

    assert request_hash("POST", "/v1/transfers", turned) == same
    assert request_hash("POST", "/v1/transfers", [body]) != same
    assert request_hash("POST", "/v1/batches", body) != same


@given(st.lists(st.text(max_size=40), max_size=3))
def test_any_preference_is_a_wait_within_bounds_or_none(values: list[str]) -> None:
    wait_s = parse_wait(values)

    assert wait_s is None or 1 <= wait_s <= MAX_WAIT_S


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=120), st.binary(max_size=50))
def test_no_headers_but_signed_ones_are_believed(
    message_id: str, timestamp: str, signature: str, body: bytes
) -> None:
    headers = {ID_HEADER: message_id, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: signature}

    with pytest.raises(SignatureInvalid):
        verify(headers, body, KEY, NOW)


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=20))
def test_a_signature_holds_for_its_body_alone(body: bytes, more: bytes) -> None:
    headers = signed_headers("evt_1", NOW, body, [KEY])

    verify(headers, body, KEY, NOW)
    with pytest.raises(SignatureInvalid):
        verify(headers, body + more, KEY, NOW)


@given(st.text(max_size=120))
def test_any_secret_is_bytes_of_a_bounded_length_or_refused(text: str) -> None:
    with suppress(WebhookSecretInvalid):
        assert 24 <= len(secret_bytes(text)) <= 64
