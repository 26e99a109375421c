"""Where a request comes from: the connection's other end, or what proxies we trust say of it."""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

ADDRESS = "payflow.address"  # where the gate keeps it in the ASGI scope
UNKNOWN = "unknown"
_HOUSEHOLD = 64  # an IPv6 subscriber has a /64 at least: all of it counts as one address
_MAX_HOPS = 20
_FORWARDED = ("x-forwarded-for", "forwarded")

Network = IPv4Network | IPv6Network


class ClientAddresses:
    """Reads ``X-Forwarded-For`` from its end, as far as trusted proxies wrote it.

    What stands before the first address that is no proxy of ours is the client's own word.
    ``warn`` is given each peer of a private network that forwards without being trusted to.
    """

    def __init__(
        self, trusted: Sequence[Network], warn: Callable[[str], None] = lambda _: None
    ) -> None:
        self._trusted = trusted
        self._warn = warn

    def of(self, scope: Scope) -> str:
        """The address as limits count it: IPv4 whole, IPv6 by its /64; ``unknown`` for neither."""
        peer = _parsed((scope.get("client") or ("",))[0])
        if peer is None or not self._is_ours(peer):
            if peer is not None and is_forwarded(Headers(scope=scope)) and peer.is_private:
                self._warn(str(peer))
            return _counted(peer)
        said = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
        for word in said[::-1][:_MAX_HOPS]:
            hop = _parsed(word.strip())
            if hop is None:
                break
            peer = hop
            if not self._is_ours(hop):
                break
        return _counted(peer)

    def _is_ours(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def is_forwarded(headers: Headers) -> bool:
    """Whether somebody says that the request came through a proxy."""
    return any(name in headers for name in _FORWARDED)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _counted(address: IPv4Address | IPv6Address | None) -> str:
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _HOUSEHOLD), strict=False))
    return str(address)
