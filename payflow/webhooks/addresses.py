"""Which URLs and addresses we deliver to: parsed strictly, and allowed one by one.

What is not known to be the public internet is refused: ``ipaddress.is_global`` lets multicast,
NAT64 and 6to4 through, so the networks are named here (IANA special-purpose registries, RFC 6890).
"""

import socket
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

import idna

from payflow.domain.webhook_errors import WebhookUrlForbidden, WebhookUrlInvalid

MAX_URL_LENGTH = 2_048
_PORTS = {"https": 443, "http": 80}
_DOTS = str.maketrans("。．｡", "...")  # dots to every IDNA decoder

_FORBIDDEN_V4 = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network, and the unspecified address
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation, as 198.51.100/24 and 203.0.113/24
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_UNICAST_V6 = ip_network("2000::/3")  # all that IANA has given out for the internet
_FORBIDDEN_V6 = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "2620:4f:8000::/48",
        "3fff::/20",  # documentation
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in the one spelling we use: ASCII, lower case, no credentials, no fragment."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The URL to ask."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if _PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is a host's on the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _FORBIDDEN_V4)
    if address.scope_id is not None or address not in _UNICAST_V6:
        return False  # mapped IPv4, NAT64, loopback, link-local, unique local, multicast
    return not any(address in network for network in _FORBIDDEN_V6)


def target_of(url: str, *, allow_private: bool) -> Target:
    """The URL taken apart and spelled our way.

    Raises:
        WebhookUrlInvalid: no URL we could deliver to. WebhookUrlForbidden: an IP literal in any
            spelling, or a name for this machine; not with ``allow_private``.
    """
    parts = _split(url)
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes:
        raise WebhookUrlInvalid(f"must begin with {' or '.join(f'{s}://' for s in schemes)}")
    if "@" in parts.netloc:
        raise WebhookUrlInvalid("must not hold credentials")
    host = _host(parts)
    if not allow_private and (is_literal(host) or _is_local_name(host)):
        raise WebhookUrlForbidden
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, _port(parts), (parts.path or "/") + query)


def is_literal(host: str) -> bool:
    """Whether the host is an IP address, as any resolver might read it.

    By the URL standard a host whose last label is a number is an IPv4 address, or nothing.
    """
    if ":" in host:
        return True
    last = host.rpartition(".")[2]
    return last.isdigit() or (last.startswith("0x") and _is_hexadecimal(last[2:]))


def literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address a literal host stands for, or None."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f.1, 017700000001, 2130706433
    except (OSError, ValueError):
        return None


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL_LENGTH:
        raise WebhookUrlInvalid(f"must not be longer than {MAX_URL_LENGTH} characters")
    if any(c <= " " or c == "\\" or unicodedata.category(c) in ("Cc", "Cf", "Zs") for c in url):
        raise WebhookUrlInvalid("must not hold spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise WebhookUrlInvalid("is not a URL") from None
    if not (parts.path + parts.query).isascii():
        raise WebhookUrlInvalid("must have path and query percent-encoded")
    return parts


def _host(parts: SplitResult) -> str:
    host = _decoded(parts.hostname or "").rstrip(".")
    if not host:
        raise WebhookUrlInvalid("has no host")
    if ":" in host:
        return _v6(host)
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise WebhookUrlInvalid("has a host that is no name") from None
    labels = name.split(".")
    if len(name) > 253 or not all(_is_label(label) for label in labels):
        raise WebhookUrlInvalid("has a host that is no name")
    return name


def _decoded(host: str) -> str:
    """The host as resolvers and browsers come to read it: decoded, folded, with plain dots."""
    return unicodedata.normalize("NFKC", unquote(host)).translate(_DOTS).lower()


def _v6(host: str) -> str:
    address, _, zone = host.partition("%")
    try:
        parsed = IPv6Address(address)
    except ValueError:
        raise WebhookUrlInvalid("has a host that is no address") from None
    return f"{parsed}%{zone}" if zone else str(parsed)


def _port(parts: SplitResult) -> int:
    try:
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        raise WebhookUrlInvalid("has a port that is none") from None
    if port == 0:
        raise WebhookUrlInvalid("has a port that is none")
    return port


def _is_label(label: str) -> bool:
    allowed = label.isascii() and label.replace("-", "").replace("_", "").isalnum()
    return allowed and len(label) <= 63 and not label.startswith("-") and not label.endswith("-")


def _is_hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdef" for character in text)


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
