"""A proof that is too old is not shown as the proof of now, by the call and by the page."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import httpx
import pytest

from api.app import routed_app
from api.middleware import RequestContext
from api.security_headers import SecurityHeaders
from api.v1 import examples
from payflow.domain.proof_ports import ProofStale, Statement
from payflow.settings import Settings


@dataclass
class OneProof:
    """``Proofs`` of one proof, which is fresh or stale."""

    statement: Statement
    is_stale: bool

    async def latest(self) -> Statement:
        if self.is_stale:
            raise ProofStale(self.statement)
        return self.statement

    async def before(self, number: int | None, limit: int) -> Sequence[Statement]:
        return [self.statement]


@pytest.fixture
async def proofs() -> OneProof:
    return OneProof(examples.PROOF, is_stale=True)


@pytest.fixture
async def client(proofs: OneProof) -> AsyncIterator[httpx.AsyncClient]:
    app = routed_app(Settings())
    app.state.parts = SimpleNamespace(proofs=proofs)
    transport = httpx.ASGITransport(RequestContext(app, headers=SecurityHeaders(Settings())))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example.com") as http:
        yield http


async def test_a_stale_proof_is_no_answer_and_is_still_listed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/proof")
    listed = await client.get("/v1/proofs")

    assert (answer.status_code, answer.json()["code"]) == (503, "proof_stale")
    assert examples.PROOF["stale_after"] in answer.json()["detail"]
    assert "ok" in answer.json()["detail"]
    assert listed.json()["data"] == [examples.PROOF]


async def test_the_page_of_a_stale_proof_says_so_above_it(client: httpx.AsyncClient) -> None:
    page = await client.get("/proof")

    assert page.status_code == 503
    assert '<h1 class="stale">' in page.text
    assert examples.PROOF["hash"] in page.text


async def test_a_fresh_proof_is_shown(client: httpx.AsyncClient, proofs: OneProof) -> None:
    proofs.is_stale = False
    answer, page = await client.get("/v1/proof"), await client.get("/proof")

    assert (answer.status_code, answer.json()) == (200, examples.PROOF)
    assert (page.status_code, '<h1 class="ok">' in page.text) == (200, True)
