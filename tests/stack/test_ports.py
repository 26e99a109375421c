"""Ports are chosen once, kept, and never fought over."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.ports import FIRST, LAST, LOOPBACK, PortBook, PortTaken, is_free


@contextmanager
def somebody_listens(port: int = 0) -> Iterator[int]:
    with socket.create_server((LOOPBACK, port)) as server:
        yield server.getsockname()[1]


def test_a_part_has_the_same_port_next_time(tmp_path: Path) -> None:
    book = tmp_path / "ports.json"

    first = PortBook(book, {}).claim("mongod")

    assert PortBook(book, {}).claim("mongod") == first


def test_a_port_that_somebody_took_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    book = tmp_path / "ports.json"
    first = PortBook(book, {}).claim("mongod")

    with somebody_listens(first):
        second = PortBook(book, {}).claim("mongod")

    assert second != first
    assert PortBook(book, {}).claim("mongod") == second


def test_two_parts_never_share_a_port(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json", {})

    assert len({book.claim(f"part-{one}") for one in range(50)}) == 50


def test_ports_lie_where_no_outgoing_connection_can_sit_on_them(tmp_path: Path) -> None:
    assert FIRST <= PortBook(tmp_path / "ports.json", {}).claim("redis") <= LAST < 32_768


def test_a_port_asked_for_by_number_is_taken_or_refused(tmp_path: Path) -> None:
    with somebody_listens() as taken:
        assert not is_free(taken)
        book = PortBook(tmp_path / "ports.json", {"api": taken})
        with pytest.raises(PortTaken, match=f"Port {taken} for api is taken.*: try another"):
            book.require_free("api", "try another")

    book.require_free("api", "try another")
    assert book.claim("api") == taken


def test_a_torn_note_of_ports_is_written_anew(tmp_path: Path) -> None:
    book = tmp_path / "ports.json"
    book.write_text('{"mongod": 2')

    port = PortBook(book, {}).claim("mongod")

    assert PortBook(book, {}).claim("mongod") == port
