"""The JSON of a batch, taken apart while it comes: each item is parsed as soon as it is whole.

A body of 8 MiB that is parsed at once becomes objects of a hundred times its size, and keeps the
process busy for seconds. Here the text between two items is read by this module, and everything
else by the one parser (``parse_json``), a value of at most ``MAX_VALUE_BYTES`` at a time.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from payflow.domain.json_text import JsonInvalid, parse_json, printable

MAX_VALUE_BYTES = 65_536  # of an item: as much as a transfer of its own may have
MAX_DEPTH = 30  # of an item: with the list and the object around it, ``api.bounds.MAX_DEPTH``
LIST = "transfers"

_SHOWN = 100  # characters of a name that a message repeats
_SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_WHOLE_STRING = re.compile(_STRING, re.DOTALL)
# brackets outside strings; a string that is not whole is the last mark
_MARKS = re.compile(_STRING + rb'|["\[{]|[\]}]', re.DOTALL)
_SCALAR = re.compile(rb'[^ \t\n\r,:"\[\]{}]*+')
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ValueTooLarge(ValueError):
    """A value of the batch is larger than ``MAX_VALUE_BYTES``: the member's, or the next item."""

    def __init__(self, member: str | None) -> None:
        super().__init__(f"must not be larger than {MAX_VALUE_BYTES} bytes")
        self.member = member


class JsonBatch:
    """Reads an object whose member ``transfers`` is a list; ``members`` has the others.

    A list that is no list, and an object that is none, are kept as they are, for the check of the
    whole to refuse: ``whole``.
    """

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}
        self.has_list = False
        self.other: Any = None  # what the body is, when it is no object
        self._rest = b""
        self._begun = False
        self._read: Callable[[int], int | None] = self._start
        self._member = ""
        self._items: list[Any] = []

    def feed(self, data: bytes) -> Iterator[tuple[Any, int]]:
        """Take more of the text; the items that are whole now, each with line 0.

        Raises:
            JsonInvalid: it cannot be the beginning of JSON with one meaning.
            ValueTooLarge: it holds a value that is too large.
        """
        text = self._rest + data
        if not self._begun and len(text) >= len(_BYTE_ORDER_MARK):
            text = text.removeprefix(_BYTE_ORDER_MARK)
            self._begun = True
        self._rest = text
        at: int | None = 0
        while at is not None:
            at = self._space(at)
            begun = at
            at = self._read(at) if at < len(text) else None
            if at is None:
                self._rest = text[begun:]
            while self._items:
                yield self._items.pop(), 0

    def end(self) -> Iterator[tuple[Any, int]]:
        """The text is whole.

        Raises:
            JsonInvalid: it is cut off.
        """
        yield from self.feed(b" ")  # ends a number that is all there is
        if self._read != self._nothing_more:
            raise JsonInvalid("is not JSON")

    def _space(self, at: int) -> int:
        found = _SPACE.match(self._rest, at)
        return found.end() if found else at

    def _start(self, at: int) -> int | None:
        if self._rest[at : at + 1] == b"{":
            self._read = self._first_name
            return at + 1
        end = self._end_of_value(at, None)
        if end is not None:
            self.other = parse_json(self._rest[at:end])
            self._read = self._nothing_more
        return end

    def _first_name(self, at: int) -> int | None:
        return self._close(at, b"}") or self._name(at)

    def _name(self, at: int) -> int | None:
        if self._rest[at : at + 1] != b'"':
            raise JsonInvalid("is not JSON")
        end = self._end_of_value(at, None)
        if end is None or (colon := self._space(end)) == len(self._rest):
            return None
        if self._rest[colon : colon + 1] != b":":
            raise JsonInvalid("is not JSON")
        self._member = parse_json(self._rest[at:end])
        if self._member in self.members or (self._member == LIST and self.has_list):
            shown = printable(self._member[:_SHOWN])
            raise JsonInvalid(f"names '{shown}' twice in one object")
        self._read = self._value
        return colon + 1

    def _value(self, at: int) -> int | None:
        if self._member == LIST and self._rest[at : at + 1] == b"[":
            self.has_list = True
            self._read = self._first_item
            return at + 1
        end = self._end_of_value(at, self._member)
        if end is not None:
            self.members[self._member] = parse_json(self._rest[at:end])
            self._read = self._after_value
        return end

    def _after_value(self, at: int) -> int | None:
        return self._close(at, b"}") or self._comma(at, self._name)

    def _first_item(self, at: int) -> int | None:
        return self._close(at, b"]") or self._item(at)

    def _item(self, at: int) -> int | None:
        end = self._end_of_value(at, None)
        if end is not None:
            self._items.append(parse_json(self._rest[at:end]))
            self._read = self._after_item
        return end

    def _after_item(self, at: int) -> int | None:
        return self._close(at, b"]") or self._comma(at, self._item)

    def _nothing_more(self, at: int) -> int | None:  # noqa: ARG002  # one of the readers
        raise JsonInvalid("is not JSON")

    def _close(self, at: int, bracket: bytes) -> int | None:
        if self._rest[at : at + 1] != bracket:
            return None
        self._read = self._nothing_more if bracket == b"}" else self._after_value
        return at + 1

    def _comma(self, at: int, then: Callable[[int], int | None]) -> int:
        if self._rest[at : at + 1] != b",":
            raise JsonInvalid("is not JSON")
        self._read = then
        return at + 1

    def _end_of_value(self, at: int, member: str | None) -> int | None:
        """Where the value that begins here ends; None while it is not whole."""
        end = _end_of_value(self._rest, at)
        if (len(self._rest) if end is None else end) - at > MAX_VALUE_BYTES:
            raise ValueTooLarge(member)
        return end


def _end_of_value(text: bytes, at: int) -> int | None:
    first = text[at : at + 1]
    if first == b'"':
        whole = _WHOLE_STRING.match(text, at)
        return whole.end() if whole else None
    if first not in (b"[", b"{"):
        scalar = _SCALAR.match(text, at)
        end = scalar.end() if scalar else at
        if end == at:
            raise JsonInvalid("is not JSON")
        return end if end < len(text) else None
    depth = 0
    for mark in _MARKS.finditer(text, at, at + MAX_VALUE_BYTES + 1):
        kind = mark[0]
        if kind in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise JsonInvalid("is nested too deeply")
        elif kind in (b"]", b"}"):
            depth -= 1
            if not depth:
                return mark.end()
        elif kind == b'"':
            return None
    return None
