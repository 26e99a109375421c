"""What a receipt's check says: of a good one, and of one in which anything at all was changed."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from cli.main import app
from payflow.auth.keys import generate_jwk_set
from payflow.auth.statements import StatementKeys
from payflow.auth.trusted_keys import TrustedKeys
from payflow.domain import merkle
from payflow.domain.receipts import (
    entry_said,
    examine,
    facts_of,
    leaf_of,
    name_of,
    period_after,
    period_of,
    receipt_said,
    root_said,
)
from payflow.domain.representation import transfer_object
from payflow.settings import Settings
from tests.fakes import START, transfer

Json = dict[str, Any]

KEYS, OTHERS = StatementKeys(generate_jwk_set()), StatementKeys(generate_jwk_set())
TRUSTED = TrustedKeys({"keys": KEYS.public})


def facts(name: str) -> Json:
    postings = [{"account": "wal_SOURCE", "amount": -100}, {"account": "transit", "amount": 100}]
    fields = {"created_at": START, "outcome": "applied", "currency": "USD", "postings": postings}
    entries = [entry_said(f"{name}:{leg}", leg, fields) for leg in ("post", "debit", "credit")]
    return facts_of(transfer_object(transfer(100, name)), entries)


def sealed_receipt(keys: StatementKeys = KEYS) -> Json:
    leaves = [leaf_of(facts(f"trf_{number}")) for number in range(5)]
    period = period_of(START, 86_400)
    root = keys.seal(root_said(period, (0, 9), 5, merkle.root(leaves), None))
    inclusion = {
        "index": 3,
        "path": [one.hex() for one in merkle.path(leaves, 3)],
        "root": root,
    }
    return keys.seal(receipt_said(facts("trf_3"), inclusion, None))


RECEIPT = sealed_receipt()


def holds(receipt: object, published: object = None) -> bool:
    said = [one.holds for one in examine(receipt, TRUSTED.holds, published)]
    assert set(said) <= {True, False}
    return all(said)


def places(part: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The way to every value in it."""
    inner = part.items() if isinstance(part, dict) else enumerate(part)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, *path, key)


def test_a_good_receipt_holds_and_says_so() -> None:
    said = [one.words for one in examine(RECEIPT, TRUSTED.holds, RECEIPT["inclusion"]["root"])]
    assert [one.split(",")[0] for one in said] == [
        "The receipt of trf_3",
        "The root of 2026-01-01",
        "The transfer and its entries are number 3 of 5 in the root of 2026-01-01: none can be "
        "altered.",
        "It is the root that was published.",
    ]
    assert holds(RECEIPT)
    assert [one["key"] for one in RECEIPT["entries"]] == [
        "trf_3:debit",
        "trf_3:credit",
        "trf_3:post",
    ]


@pytest.mark.parametrize("way", list(places(RECEIPT)), ids=str)
def test_whatever_is_changed_or_taken_away_is_noticed(way: tuple[Any, ...]) -> None:
    for change in ("another", "none", "away"):
        receipt = copy.deepcopy(RECEIPT)
        holder: Any = receipt
        for key in way[:-1]:
            holder = holder[key]
        was = holder[way[-1]]
        if change == "away":
            del holder[way[-1]]
        else:
            holder[way[-1]] = None if change == "none" else "another"
        if change == "none" and was is None:
            continue
        assert not holds(receipt), (way, change)


@given(st.integers(0, len(json.dumps(RECEIPT)) - 1), st.integers(0, 6))
def test_a_flipped_bit_in_the_file_is_noticed(at: int, bit: int) -> None:
    text = bytearray(json.dumps(RECEIPT).encode())
    text[at] ^= 1 << bit
    try:
        receipt = json.loads(text)
    except ValueError:
        return
    assert receipt == RECEIPT or not holds(receipt)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_what_is_no_receipt_is_refused_in_words(thing: object) -> None:
    for one in (thing, {"object": "receipt", "version": 1, "transfer": thing, "inclusion": thing}):
        said = examine(one, TRUSTED.holds)
        assert any(each.holds is False for each in said)


def test_another_key_another_root_and_a_leaf_of_another_tree_do_not_hold() -> None:
    assert not holds(sealed_receipt(OTHERS))
    other = KEYS.seal({**RECEIPT["inclusion"]["root"], "root": "00" * 32})
    assert not holds(RECEIPT, other)
    moved = {**RECEIPT, "inclusion": {**RECEIPT["inclusion"], "root": other}}
    assert not holds(KEYS.seal({k: moved[k] for k in moved if k not in ("hash", "signature")}))


def test_what_was_signed_as_something_else_is_no_root() -> None:
    other = KEYS.seal({**RECEIPT["inclusion"]["root"], "object": "proof"})
    assert TRUSTED.holds(other)
    receipt = {**RECEIPT, "inclusion": {**RECEIPT["inclusion"], "root": other}}
    said = examine(KEYS.seal(receipt), TRUSTED.holds)
    assert [one.holds for one in said] == [True, False, True]


def test_one_whose_day_is_not_over_holds_and_says_when_to_ask_again() -> None:
    early = KEYS.seal(receipt_said(facts("trf_3"), None, "2026-01-02T00:01:00.000Z"))
    said = examine(early, TRUSTED.holds)
    assert [one.holds for one in said] == [True, True]
    assert "fetch it again after 2026-01-02T00:01:00.000Z" in said[1].words
    assert not holds(early, RECEIPT["inclusion"]["root"])


@given(
    st.integers(0, 4 * 10**9).map(lambda at: datetime.fromtimestamp(at, UTC)),
    st.sampled_from([1, 5, 300, 3_600, 86_400]),
    st.sampled_from([1, 5, 300, 3_600, 86_400]),
)
def test_periods_follow_each_other_without_a_gap(at: datetime, length: int, next_: int) -> None:
    period = period_of(at, length)
    assert period.start <= at < period.end == period.start + timedelta(seconds=length)
    after = period_after(period.end, next_)
    assert after.start == period.end < after.end <= after.start + timedelta(seconds=next_)
    assert period.name < after.name
    assert period.end < period.due_at <= period.end + timedelta(seconds=60)


def test_a_period_that_does_not_divide_a_day_is_refused() -> None:
    assert Settings(receipt_period_s=3_600).receipt_period_s == 3_600
    for wrong in (0, 7, 86_401, 172_800):
        with pytest.raises(ValidationError, match="must divide a day"):
            Settings(receipt_period_s=wrong)
    assert name_of(START) == "2026-01-01"


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["verify", *words])
    return done.exit_code, done.output


def test_the_command_line_checks_a_receipt(tmp_path: Path) -> None:
    receipt, keys, root = (str(tmp_path / name) for name in ("receipt", "keys", "root"))
    Path(receipt).write_text(json.dumps(RECEIPT))
    Path(keys).write_text(json.dumps({"keys": KEYS.public}))
    Path(root).write_text(json.dumps(RECEIPT["inclusion"]["root"]))
    code, said = run(receipt, "--keys", keys, "--root", root)
    assert code == 0
    assert said.count("✓") == 4
    transfer = RECEIPT["transfer"]
    assert said.splitlines()[-5:] == [
        f"  transfer  {transfer['id']}, {transfer['status']}",
        f"  amount    {transfer['amount']} {transfer['currency']} (minor units)",
        f"  from      {transfer['source_wallet_id']}",
        f"  to        {transfer['destination_wallet_id']}",
        "Verified.",
    ]
    Path(receipt).write_text(json.dumps({**RECEIPT, "available_after": "now"}))
    code, said = run(receipt, "--keys", keys)
    assert code == 1
    assert "✗ The receipt of trf_3, initiated, is NOT as one of these keys signed it." in said
    assert "do not rely on this receipt" in said


def test_what_the_command_line_cannot_read_is_told_apart(tmp_path: Path) -> None:
    receipt, keys = tmp_path / "receipt", tmp_path / "keys"
    receipt.write_text(json.dumps(RECEIPT))
    for wrong in ("{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AA"}]}'):
        keys.write_text(wrong)
        code, said = run(str(receipt), "--keys", str(keys))
        assert (code, "holds no keys to verify with" in said) == (2, True), said
    keys.write_text(json.dumps({"keys": KEYS.public}))
    receipt.write_text("{")
    assert run(str(receipt), "--keys", str(keys)) == (2, f"{receipt} is not JSON.\n")
    receipt.write_bytes(b"\xff\xfe")
    assert run(str(receipt), "--keys", str(keys)) == (2, f"{receipt} is not JSON.\n")
    code, said = run(str(tmp_path / "none"), "--keys", str(keys))
    assert (code, "cannot be read" in said) == (2, True)
    code, said = run(str(receipt))
    assert (code, "--secret and --header, or a receipt's --keys" in said) == (2, True)


def doubled(thing: Any, name: str) -> str:
    """The JSON with a name twice: first another value, then the one that was signed."""
    text, quoted = json.dumps(thing), json.dumps(name)
    assert quoted in text
    return text.replace(f"{quoted}: ", f"{quoted}: 1, {quoted}: ", 1)


def test_a_file_that_names_something_twice_is_not_verified(tmp_path: Path) -> None:
    right = {
        "receipt": RECEIPT,
        "keys": {"keys": KEYS.public},
        "root": RECEIPT["inclusion"]["root"],
    }
    twice = {"receipt": "amount", "keys": "kid", "root": "leaves"}
    receipt, keys, root = (str(tmp_path / name) for name in right)
    for name, thing in right.items():
        (tmp_path / name).write_text(json.dumps(thing))
    assert run(receipt, "--keys", keys, "--root", root)[0] == 0
    for name, field in twice.items():
        (tmp_path / name).write_text(doubled(right[name], field))
        code, said = run(receipt, "--keys", keys, "--root", root)
        assert (code, said) == (2, f"{tmp_path / name} names '{field}' twice in one object.\n")
        (tmp_path / name).write_text(json.dumps(right[name]))


def test_a_published_root_of_another_type_is_another(tmp_path: Path) -> None:
    root = RECEIPT["inclusion"]["root"]
    assert holds(RECEIPT, root)
    assert not holds(RECEIPT, {**root, "version": True})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    ),
    st.data(),
)
def test_a_damaged_receipt_is_told_in_words_and_never_raises(value: Any, data: Any) -> None:
    damaged = json.loads(json.dumps(RECEIPT))
    part = damaged
    while True:
        name = data.draw(
            st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part)))
        )
        if not isinstance(part[name], dict | list) or not part[name] or data.draw(st.booleans()):
            break
        part = part[name]
    part[name] = value
    for one in examine(damaged, KEYS.holds, damaged.get("inclusion")):
        assert isinstance(one.words, str)


def test_what_a_receipt_says_cannot_change_the_terminal(tmp_path: Path) -> None:
    receipt, keys = tmp_path / "receipt", tmp_path / "keys"
    keys.write_text(json.dumps({"keys": KEYS.public}))
    odd = {**RECEIPT["transfer"], "id": "trf_1\n✓ Verified.\x1b[2J"}
    receipt.write_text(json.dumps({**RECEIPT, "transfer": odd}))
    code, said = run(str(receipt), "--keys", str(keys))
    assert code == 1
    assert r"trf_1\n✓ Verified.\x1b[2J, " in said


def test_a_terminal_that_lacks_a_sign_gets_its_escape(tmp_path: Path) -> None:
    (tmp_path / "receipt").write_text(json.dumps(RECEIPT))
    (tmp_path / "keys").write_text(json.dumps({"keys": KEYS.public}))
    words = ["verify", str(tmp_path / "receipt"), "--keys", str(tmp_path / "keys")]
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(rb"\u2713 The receipt of")
