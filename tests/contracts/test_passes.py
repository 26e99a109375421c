"""One unit changed behind the books' back is found by the next pass, whatever its age; busy books are right."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from cli.stack import EmbeddedStack
from payflow.domain.events import GENESIS
from payflow.domain.invariants import Invariant
from payflow.domain.proof_ports import ProofOvertaken, ProofPending
from payflow.domain.users import Principal, Role
from payflow.domain.wallets import WalletStatus
from payflow.storage.proofs import MongoProofs
from tests.contracts.proven import ProvenBooks, proven_books
from tests.contracts.proving import Proving, proving, verify

Fields = dict[str, Any]
Named = Callable[[ProvenBooks], Any]
OPERATOR = Principal("usr_OPERATOR", Role.OPERATOR)


@pytest.fixture(scope="module")
async def books(pair: EmbeddedStack) -> AsyncIterator[ProvenBooks]:
    async with proven_books(pair, "payflow_passes") as made:
        yield made


@pytest.fixture(scope="module")
async def proof(
    books: ProvenBooks, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Proving]:
    folder: Path = tmp_path_factory.mktemp("keys")
    async with proving(books.database, books.settings, folder) as made:
        yield made


async def test_the_first_pass_is_a_full_one_and_the_next_are_not(
    proof: Proving, books: ProvenBooks
) -> None:
    proofs = MongoProofs(books.database.proofs)
    with pytest.raises(ProofPending):
        await proofs.latest()

    first, second = await proof.prove(), await proof.prove()

    assert (first["status"], first["scope"], second["scope"]) == ("ok", "full", "incremental")
    assert second["violations"] == []
    assert first["transfers_checked"] == second["transfers_checked"] == 6
    assert second["oldest_in_transit"]["transfer_id"] == books.in_flight
    assert await proofs.latest() == second
    assert await proofs.before(second["number"], 5) == [first]


async def test_a_stranger_verifies_the_chain_of_proofs(proof: Proving) -> None:
    await proof.prove()
    previous = GENESIS
    async for kept in proof.database.proofs.find({}, sort=[("_id", 1)]):
        verify(kept["statement"], proof.keys.public, previous)
        previous = kept["statement"]["hash"]
