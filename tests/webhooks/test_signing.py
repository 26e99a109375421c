"""Signatures: the stock packages take ours, and our own check says in words what is wrong."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from typer.testing import CliRunner

from cli.main import app
from payflow.client import EventInvalid, verified_event
from payflow.domain.webhook_errors import WebhookSecretInvalid
from payflow.storage.identity import SystemClock
from payflow.webhooks.signing import (
    SignatureInvalid,
    new_secret,
    secret_bytes,
    signed_headers,
    verify,
)

BODY = '{"id":"evt_1","type":"endpoint.test","data":{"description":"Zürich — 12,50 €"}}'.encode()
NODE_SCRIPT = """
const { Webhook } = require("standardwebhooks");
const message = JSON.parse(require("fs").readFileSync(0, "utf8"));
const verifies = (secret) => {
  try { new Webhook(secret).verify(message.body, message.headers); return true; }
  catch (error) { return false; }
};
console.log(JSON.stringify(message.secrets.map(verifies)));
"""


def signed(*secrets: str, at: datetime | None = None) -> dict[str, str]:
    keys = [secret_bytes(secret) for secret in secrets]
    return signed_headers("evt_1", at or SystemClock().now(), BODY, keys)


def test_the_stock_verifier_takes_each_of_two_signatures() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()
    headers = signed(new, old)
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(other).verify(BODY, headers)


def test_the_timestamp_is_right_in_any_time_zone() -> None:
    secret = new_secret()
    elsewhere = SystemClock().now().astimezone(timezone(timedelta(hours=9)))
    assert Webhook(secret).verify(BODY, signed(secret, at=elsewhere))


def test_our_signature_is_the_stock_ones() -> None:
    secret, at = new_secret(), datetime(2026, 1, 1, tzinfo=UTC)
    assert signed(secret, at=at)["webhook-signature"] == Webhook(secret).sign(
        "evt_1", at, BODY.decode()
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-id": ""}, "webhook-id is missing"),
        ({"webhook-timestamp": ""}, "webhook-timestamp is missing"),
        ({"webhook-signature": ""}, "webhook-signature is missing"),
        ({"webhook-timestamp": "soon"}, "not a number"),
        ({"webhook-timestamp": "1"}, "old"),
        ({"webhook-timestamp": "99999999999"}, "in the future"),
        ({"webhook-signature": "v1"}, "no v1 signature"),
        ({"webhook-signature": "v2,abc"}, "no v1 signature"),
        ({"webhook-signature": "v1,ä"}, "no signature is that"),
        ({"webhook-signature": "v1,YWJj"}, "no signature is that"),
        ({"webhook-id": "evt_2"}, "no signature is that"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, str], why: str) -> None:
    secret = new_secret()
    now = SystemClock().now()
    headers = {**signed(secret, at=now), **change}
    with pytest.raises(SignatureInvalid, match=why):
        verify(headers, BODY, secret_bytes(secret), now)


def test_a_secret_has_24_to_64_bytes() -> None:
    assert len(secret_bytes(new_secret())) == 32
    for bad in ("", "whsec_", "whsec_abc", "WHSEC_" + "A" * 32, new_secret()[6:]):
        with pytest.raises(WebhookSecretInvalid):
            secret_bytes(bad)


def test_payflow_verify_says_yes_and_no(tmp_path: Path) -> None:
    secret, file = new_secret(), tmp_path / "body.json"
    file.write_bytes(BODY)
    headers = [
        part for name, value in signed(secret).items() for part in ("--header", f"{name}: {value}")
    ]
    run = CliRunner().invoke
    good = run(app, ["verify", "--secret", secret, *headers, str(file)])
    assert (good.exit_code, good.output.startswith("Verified")) == (0, True)
    piped = run(app, ["verify", "--secret", secret, *headers], input=BODY)
    assert piped.exit_code == 0
    bad = run(app, ["verify", "--secret", new_secret(), *headers, str(file)])
    assert (bad.exit_code, "Not verified" in bad.output) == (1, True)
    for arguments in (["--secret", "nonsense", *headers], ["--secret", secret, "--header", "x"]):
        assert run(app, ["verify", *arguments, str(file)]).exit_code == 1
    assert run(app, ["verify", "--secret", secret, *headers, str(tmp_path / "no")]).exit_code == 1


def verified_body(body: bytes, *more: str, **options: Any) -> tuple[int, str]:
    """What ``payflow verify`` says of a signed body."""
    secret = new_secret()
    headers = signed_headers("evt_1", SystemClock().now(), body, [secret_bytes(secret)])
    named = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    done = CliRunner().invoke(app, ["verify", "--secret", secret, *named, *more], input=body)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def test_what_was_verified_is_printed() -> None:
    transfer = {
        "object": "transfer",
        "id": "trf_1",
        "status": "completed",
        "refunded": False,
        "amount": 1250,
        "currency": "USD",
        "source_wallet_id": "wal_1",
        "destination_wallet_id": "wal_2\x1b[2J",
    }
    body = json.dumps({"id": "evt_1", "type": "transfer.completed", "data": transfer}).encode()
    code, said = verified_body(body)
    assert code == 0
    assert said.splitlines()[1:] == [
        "  event     transfer.completed",
        "  transfer  trf_1, completed",
        "  amount    1250 USD (minor units)",
        "  from      wal_1",
        r"  to        wal_2\x1b[2J",
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"type": "a", "data": {"amount": 1, "amount": 2}}', "names 'amount' twice"),
        (b'{"type": "a", "data": NaN}', "holds NaN"),
        (b"\xff", "is not JSON"),
        (b"[]", "is no event"),
        (b"", "is not JSON"),
    ],
)
def test_a_signed_body_that_is_not_one_event_is_refused(body: bytes, reason: str) -> None:
    code, said = verified_body(body)
    assert (code, reason in said) == (1, True), said
    assert "Verified:" not in said
    secret = new_secret()
    headers = signed_headers("evt_1", SystemClock().now(), body, [secret_bytes(secret)])
    with pytest.raises(EventInvalid, match=reason):
        verified_event(headers, body, secret)


def test_a_header_that_is_there_twice_is_refused() -> None:
    code, said = verified_body(BODY, "--header", "Webhook-Id: evt_2")
    assert (code, "is there twice" in said) == (1, True), said
    secret = new_secret()
    headers = signed(secret)
    verify({**headers, "X-Other": "1"}, BODY, secret_bytes(secret), SystemClock().now())
    with pytest.raises(SignatureInvalid, match="webhook-id is there twice"):
        verify({**headers, "Webhook-Id": "evt_2"}, BODY, secret_bytes(secret), SystemClock().now())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-timestamp", "9" * 400),
        ("webhook-timestamp", "9" * 5_000),
        ("webhook-timestamp", "²"),
        ("webhook-timestamp", "1e9"),
        ("webhook-id", "é"),
        ("webhook-id", "\ud800"),
        ("webhook-signature", "v1,é"),
        ("webhook-signature", "v1,\ud800"),
        ("webhook-signature", "v1,nul\x00"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1"),
    ],
    ids=lambda one: ascii(one)[:30],
)
def test_a_header_that_cannot_be_understood_is_no_signature(name: str, value: str) -> None:
    secret = new_secret()
    headers = {**signed(secret), name: value}
    with pytest.raises(SignatureInvalid):
        verify(headers, BODY, secret_bytes(secret), SystemClock().now())
    with pytest.raises(SignatureInvalid):
        verified_event(headers, BODY, secret)


HEADERS = st.dictionaries(
    st.sampled_from(["webhook-id", "Webhook-Timestamp", "webhook-signature", "other"]),
    st.text(max_size=40)
    | st.integers().map(str)
    | st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    | st.text(max_size=20).map(lambda text: f"v1,{text}"),
)


@given(HEADERS, st.binary(max_size=60), st.text(max_size=60) | st.just("whsec_" + "A" * 44))
def test_any_message_is_verified_or_refused(
    headers: dict[str, str], body: bytes, secret: str
) -> None:
    with pytest.raises((SignatureInvalid, WebhookSecretInvalid)):
        verified_event(headers, body, secret)


@given(st.binary(max_size=60))
def test_any_body_that_is_signed_is_an_event_or_none(body: bytes) -> None:
    secret, now = "whsec_" + "A" * 44, datetime(2026, 1, 1, tzinfo=UTC)
    headers = signed_headers("evt_1", now, body, [secret_bytes(secret)])
    with pytest.raises(EventInvalid):
        verified_event(headers, body, secret, now=now)


def test_the_npm_package_verifies_our_deliveries(tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("node and npm are not installed here")
    installed = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", tmp_path,
         "standardwebhooks@1.0.0"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if installed.returncode:
        pytest.skip(f"npm could not fetch standardwebhooks: {installed.stderr[-200:]}")
    old, new, other = new_secret(), new_secret(), new_secret()
    message = {
        "headers": signed(new, old),
        "body": BODY.decode(),
        "secrets": [old, new, other],
    }
    (tmp_path / "verify.js").write_text(NODE_SCRIPT)
    done = subprocess.run(
        [node, "verify.js"],
        cwd=tmp_path, input=json.dumps(message), capture_output=True, text=True, timeout=30,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == [True, True, False]
