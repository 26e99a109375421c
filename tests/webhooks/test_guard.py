"""No spelling of a forbidden address gets a connection; the control one does."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address

import httpcore
import pytest

from payflow.domain.webhook_errors import WebhookUrlForbidden, WebhookUrlInvalid
from payflow.storage.identity import SystemClock
from payflow.webhooks.addresses import is_public, target_of
from payflow.webhooks.guard import AddressForbidden, Guard, GuardedBackend
from payflow.webhooks.sending import CONNECTION_FAILED, TLS_FAILED, open_sender
from tests.webhooks.receivers import Receiver, receiver

FORBIDDEN_HOSTS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "0",
    "0.0.0.0",  # noqa: S104  # an address nobody may reach
    "255.255.255.255",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "8.8.8.8",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fc00::1]",
    "[ff02::1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "anything.localhost",
    "metadata.google.internal",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "loca%6chost",
]

INVALID_URLS = [
    "",
    "example.com",
    "//example.com/hook",
    "http://example.com/hook",
    "ftp://example.com/hook",
    "file:///etc/passwd",
    "gopher://example.com",
    "javascript:alert(1)",
    "https://",
    "https:///hook",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://exa mple.com/",
    "https://example.com/\r\nHost: evil",
    "https://example.com:0/",
    "https://example.com:70000/",
    "https://example.com:port/",
    "https://[::1/",
    "https://exam\u200dple.com/",
    "https://-example.com/",
    "https://a..example.com/",
    f"https://example.com/{'a' * 2_048}",
]

ADDRESSES_OF_NOBODY = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "100.64.1.1", "169.254.169.254", "172.31.255.255",  # noqa: S104
    "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::808:808",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:20::1", "2001:db8::1", "2002:808:808::1",
    "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1",
]  # fmt: skip


async def names_of_this_machine(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.fixture
async def listener() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


def url_of(host: str, port: int) -> str:
    return f"https://{host}:{port}/hook"


@pytest.mark.parametrize("host", FORBIDDEN_HOSTS)
async def test_a_forbidden_host_is_refused_and_never_connected_to(
    host: str, listener: Receiver
) -> None:
    guard = Guard(allow_private=False)
    url = url_of(host, listener.port)
    with pytest.raises(WebhookUrlForbidden):
        await guard.check(url)
    async with open_sender(guard, SystemClock(), 2) as sender:
        attempt = await sender.post(url, {}, b"{}")
    assert (attempt.status_code, attempt.error) == (None, CONNECTION_FAILED)
    with pytest.raises(httpcore.ConnectError):  # and if it had come as far as the network
        await GuardedBackend(guard).connect_tcp(host.strip("[]"), listener.port, timeout=2)
    assert listener.connections == 0


async def test_the_control_connection_is_let_through(listener: Receiver) -> None:
    guard = Guard(allow_private=True)
    async with open_sender(guard, SystemClock(), 2) as sender:
        for host in ("127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "[::ffff:7f00:1]"):
            url = f"http://{host}:{listener.port}/hook"
            await guard.check(url)
            attempt = await sender.post(url, {}, b"{}")
            assert (attempt.status_code, attempt.response) == (200, "ok"), host
    assert listener.connections == 6


@pytest.mark.parametrize("url", INVALID_URLS)
def test_what_is_no_url_of_ours_is_invalid(url: str) -> None:
    with pytest.raises(WebhookUrlInvalid):
        target_of(url, allow_private=False)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/Hook?a=b#c", "https://example.com/Hook?a=b"),
        ("https://example.com.:8443/hook", "https://example.com:8443/hook"),
        ("https://bücher.example/hook", "https://xn--bcher-kva.example/hook"),
        ("https://1.example.com/hook", "https://1.example.com/hook"),
    ],
)
def test_a_good_url_has_one_spelling(given: str, asked: str) -> None:
    assert target_of(given, allow_private=False).url == asked


@pytest.mark.parametrize("address", ADDRESSES_OF_NOBODY)
def test_an_address_that_is_not_the_internets_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700::1111"])
def test_the_internets_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


async def test_one_forbidden_address_among_good_ones_forbids_the_name() -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "127.0.0.1"]

    guard = Guard(allow_private=False, resolve=mixed)
    with pytest.raises(WebhookUrlForbidden):
        await guard.check("https://mixed.example/")
    with pytest.raises(AddressForbidden):
        await guard.addresses("mixed.example", 443)


async def test_a_name_that_changes_its_mind_gets_no_connection(listener: Receiver) -> None:
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])

    async def rebinding(host: str, port: int) -> list[str]:
        return next(answers)

    guard = Guard(allow_private=False, resolve=rebinding)
    url = f"https://rebinding.example:{listener.port}/hook"
    await guard.check(url)
    async with open_sender(guard, SystemClock(), 2) as sender:
        attempt = await sender.post(url, {}, b"{}")
    assert attempt.error == CONNECTION_FAILED
    assert listener.connections == 0


async def test_a_name_is_resolved_once_for_an_attempt_and_again_for_the_next() -> None:
    asked = []

    async def counting(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with (
        receiver() as one,
        open_sender(Guard(allow_private=True, resolve=counting), SystemClock(), 2) as sender,
    ):
        for _ in range(2):
            attempt = await sender.post(f"http://some.example:{one.port}/", {}, b"{}")
            assert attempt.status_code == 200
    assert asked == ["some.example"] * 2


async def test_a_name_that_does_not_resolve_is_taken_and_fails_when_sent_to() -> None:
    async def nobody(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    guard = Guard(allow_private=False, resolve=nobody)
    await guard.check("https://nobody.example/")
    async with open_sender(guard, SystemClock(), 2) as sender:
        attempt = await sender.post("https://nobody.example/", {}, b"{}")
    assert attempt.error == CONNECTION_FAILED


async def test_a_nameserver_that_hangs_is_not_waited_for() -> None:
    async def hanging(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    guard = Guard(allow_private=False, resolve=hanging)
    await guard.check("https://slow.example/")
    async with open_sender(guard, SystemClock(), 0.2) as sender:
        assert (await sender.post("https://slow.example/", {}, b"{}")).error == "timeout"


async def test_tls_verifies_the_name_of_the_checked_address(self_signed: ssl.SSLContext) -> None:
    guard = Guard(allow_private=True, resolve=names_of_this_machine)
    async with (
        receiver(tls=self_signed) as one,
        open_sender(guard, SystemClock(), 2) as sender,
    ):
        attempt = await sender.post(f"https://bad.example:{one.port}/", {}, b"{}")
    assert (attempt.status_code, attempt.error) == (None, TLS_FAILED)
    assert one.requests == []
