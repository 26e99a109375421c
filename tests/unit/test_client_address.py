"""Whose word for an address is taken: the connection's, or a trusted proxy's."""

from ipaddress import ip_network

import pytest

from api.client_address import ClientAddresses

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # a stranger's word
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # the client's own
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, "], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("2001:db8::1", [], "2001:db8::/64"),
        ("testclient", [], "unknown"),
    ],
)
def test_the_nearest_address_that_is_not_ours_counts(
    peer: str, forwarded: list[str], address: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"type": "http", "client": (peer, 4711), "headers": headers}
    assert ClientAddresses(PROXIES).of(scope) == address


def test_without_a_peer_nobody_is_known() -> None:
    assert ClientAddresses([]).of({"type": "http", "client": None, "headers": []}) == "unknown"


@pytest.mark.parametrize(
    ("peer", "header", "warned"),
    [
        ("192.168.1.2", "x-forwarded-for", ["192.168.1.2"]),
        ("127.0.0.1", "forwarded", ["127.0.0.1"]),
        ("192.168.1.2", "accept", []),
        ("10.0.0.1", "x-forwarded-for", []),  # trusted
        ("8.8.8.8", "x-forwarded-for", []),  # a stranger's word
    ],
)
def test_a_private_peer_that_forwards_and_is_not_trusted_is_warned_of(
    peer: str, header: str, warned: list[str]
) -> None:
    found: list[str] = []
    scope = {"type": "http", "client": (peer, 4711), "headers": [(header.encode(), b"1.1.1.1")]}
    ClientAddresses(PROXIES, found.append).of(scope)
    assert found == warned
