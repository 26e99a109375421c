"""Merkle trees: the RFC's own definition, and proofs that nothing but the truth satisfies."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain import merkle

# RFC 6962's reference tree, as Certificate Transparency's implementations test it
INPUTS = [
    bytes.fromhex(one)
    for one in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf(str(number).encode()) for number in range(size)]


def defined(data: list[bytes]) -> bytes:
    """The root as RFC 9162 §2.1.1 defines it, by splitting."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    half = 1 << (len(data) - 1).bit_length() - 1
    return sha256(b"\x01" + defined(data[:half]) + defined(data[half:])).digest()


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_the_known_roots(size: int, root: str) -> None:
    assert merkle.root([merkle.leaf(one) for one in INPUTS[:size]]).hex() == root


@pytest.mark.parametrize("size", range(1, 65))
def test_every_leaf_of_every_tree_is_proved(size: int) -> None:
    nodes = leaves(size)
    top = merkle.root(nodes)
    assert top == defined([str(number).encode() for number in range(size)])
    for index, node in enumerate(nodes):
        proof = merkle.path(nodes, index)
        assert merkle.included(node, index, size, proof, top)
        assert not merkle.included(node, (index + 1) % (size + 1), size, proof, top)
        assert not merkle.included(node, index, size, [*proof, top], top)
        assert not proof or not merkle.included(node, index, size, proof[:-1], top)


@given(st.integers(2, 64), st.data())
def test_a_flipped_bit_anywhere_fails(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    nodes = leaves(size)
    parts = [nodes[index], merkle.root(nodes), *merkle.path(nodes, index)]
    assert merkle.included(parts[0], index, size, parts[2:], parts[1])
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, merkle.NODE_BYTES * 8 - 1))
    flipped = int.from_bytes(parts[which]) ^ (1 << bit)
    parts[which] = flipped.to_bytes(merkle.NODE_BYTES)
    assert not merkle.included(parts[0], index, size, parts[2:], parts[1])


@given(st.integers(1, 64), st.integers(0, 6), st.data())
def test_a_proof_over_tiles_is_the_proof_over_leaves(
    size: int, power: int, data: st.DataObject
) -> None:
    index, tile = data.draw(st.integers(0, size - 1)), 2**power
    nodes = leaves(size)
    parts = [nodes[start : start + tile] for start in range(0, size, tile)]
    roots = [merkle.root(part) for part in parts]
    assert merkle.root(roots) == merkle.root(nodes)
    number, within = divmod(index, tile)
    proof = [*merkle.path(parts[number], within), *merkle.path(roots, number)]
    assert proof == merkle.path(nodes, index)


def test_there_is_no_proof_of_what_is_not_there() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            merkle.path(leaves(3), index)
        assert not merkle.included(leaves(3)[0], index, 3, [], merkle.root(leaves(3)))
    assert not merkle.included(merkle.EMPTY, 0, 0, [], merkle.EMPTY)
