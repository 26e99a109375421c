"""A receipt from a running stack, sealed in a root while one looks, and verified off line."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.stack import EmbeddedStack
from tests.e2e.bank import Bank, Json, Person
from tests.e2e.gaps import held_before

SEALED_WITHIN_S = 60.0  # periods of 5 s


@pytest.fixture
def stack(pair: EmbeddedStack) -> EmbeddedStack:
    """One layout is enough: the root is sealed by the relay's process, in both."""
    return pair


async def receipt_of(bank: Bank, who: Person, transfer_id: str) -> Json:
    answer = await bank.ask("GET", f"/v1/transfers/{transfer_id}/receipt", who)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def sealed(bank: Bank, who: Person, transfer_id: str) -> Json:
    async with asyncio.timeout(SEALED_WITHIN_S):
        while (found := await receipt_of(bank, who, transfer_id))["inclusion"] is None:
            assert found["available_after"]
            await asyncio.sleep(0.3)
    return found


async def test_a_receipt_is_verified_with_the_network_off(
    bank: Bank, operator: Person, tmp_path: Path
) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    mallory = await bank.person("mallory")
    paid = await bank.send(alice, bob, 100, wait_s=20)
    refused = await bank.send(alice, bob, 5_000, wait_s=20)
    found = await sealed(bank, alice, paid["id"])
    assert found == await receipt_of(bank, bob, paid["id"])
    assert [one["key"].split(":")[1] for one in found["entries"]] == [
        "init",
        "debit",
        "credit",
        "post",
    ]
    assert (found["transfer"]["status"], found["transfer"]["amount"]) == ("completed", 100)
    assert (await sealed(bank, alice, refused["id"]))["transfer"]["status"] == "failed"

    date = found["inclusion"]["root"]["date"]
    published = (await bank.ask("GET", f"/v1/roots/{date}")).json()
    keys = (await bank.ask("GET", "/v1/proof/keys")).json()
    page = (await bank.ask("GET", "/v1/roots?limit=100")).json()["data"]
    assert published in page
    assert [one["previous_hash"] for one in page[:-1]] == [one["hash"] for one in page[1:]]
    for name, content in (("receipt", found), ("keys", keys), ("root", published)):
        (tmp_path / name).write_text(json.dumps(content))
    words = [str(tmp_path / "receipt"), "--keys", str(tmp_path / "keys")]
    words += ["--root", str(tmp_path / "root")]
    done = CliRunner().invoke(app, ["verify", *words])
    assert (done.exit_code, done.output.count("✓")) == (0, 4), done.output
    found["transfer"]["amount"] = 101
    (tmp_path / "receipt").write_text(json.dumps(found))
    done = CliRunner().invoke(app, ["verify", *words])
    assert (done.exit_code, done.output.count("✗")) == (1, 2), done.output

    hidden = await bank.ask("GET", f"/v1/transfers/{paid['id']}/receipt", mallory)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "transfer_not_found")
    none = await bank.ask("GET", "/v1/roots/1999-12-31")
    assert (none.status_code, none.json()["code"]) == (404, "root_not_found")
    bad = await bank.ask("GET", "/v1/roots?cursor=x")
    assert (bad.status_code, bad.json()["code"]) == (422, "cursor_invalid")


async def test_a_transfer_under_way_has_no_receipt(bank: Bank, operator: Person) -> None:
    alice, _, sent = await held_before(bank, operator, "credit", "debited")
    early = await bank.ask("GET", f"/v1/transfers/{sent['id']}/receipt", alice)
    assert (early.status_code, early.json()["code"]) == (409, "transfer_not_terminal")
    assert "debited" in early.json()["detail"]
    await bank.end_rehearsal(operator)
    await bank.ended(alice, sent["id"])
    assert (await receipt_of(bank, alice, sent["id"]))["transfer"]["id"] == sent["id"]
