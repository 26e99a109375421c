"""Merkle trees as RFC 9162 §2.1 has them (RFC 6962's): roots, inclusion proofs, and their check.

A node is 32 bytes: SHA-256 over 0x00 and the data for a leaf, over 0x01 and both children for what
is above, so that no leaf can pass for a pair. The split is at the largest power of two below the
size; to join neighbours level by level and carry an odd last one up gives the same tree.
"""

from collections.abc import Sequence
from hashlib import sha256

NODE_BYTES = 32
EMPTY = sha256(b"").digest()  # the root of a tree without leaves


def leaf(data: bytes) -> bytes:
    """The node of a leaf that holds ``data``."""
    return sha256(b"\x00" + data).digest()


def root(nodes: Sequence[bytes]) -> bytes:
    """The root over leaves, or over the roots of equal full parts of which the last may be less.

    A part's size must be a power of two.
    """
    level = list(nodes)
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else EMPTY


def path(nodes: Sequence[bytes], index: int) -> list[bytes]:
    """The inclusion proof of a node: its neighbours on the way to the root, the nearest first.

    Raises:
        IndexError: there is no such node.
    """
    if not 0 <= index < len(nodes):
        raise IndexError(index)
    level, found = list(nodes), []
    while len(level) > 1:
        if index ^ 1 < len(level):
            found.append(level[index ^ 1])
        level, index = _above(level), index // 2
    return found


def included(node: bytes, index: int, size: int, proof: Sequence[bytes], top: bytes) -> bool:
    """Whether the proof leads from the ``index``-th of ``size`` leaves to the root (§2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last = index, size - 1
    for neighbour in proof:
        if last == 0:
            return False
        if at % 2 or at == last:
            node = _joined(neighbour, node)
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            node = _joined(node, neighbour)
        at, last = at // 2, last // 2
    return last == 0 and node == top


def _above(level: Sequence[bytes]) -> list[bytes]:
    pairs = [_joined(level[n], level[n + 1]) for n in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def _joined(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
