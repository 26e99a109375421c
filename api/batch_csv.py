"""The CSV of a batch, taken apart while it comes: each item is made as soon as its line is whole.

It stands for JSON: the header names the fields, empty cells are left out.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from api.batch_json import MAX_VALUE_BYTES
from api.v1.schemas import NewTransfer
from payflow.domain.json_text import JsonInvalid, parse_json

MAX_LINES = 100_000  # ten an item: a file of empty lines would take seconds

_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_COLUMNS = frozenset(NewTransfer.model_fields)
_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\r(?!\Z)|\n)")  # a \r at the end may be half of \r\n


class _LinesSoFar(Exception):  # no error: the reader waits
    """The record that is read goes on in a line that has not come."""


class _Lines:
    """The lines that have come, for a reader that may have to read its last record again."""

    def __init__(self) -> None:
        self.number = 0  # of the last line of the last whole record
        self.ended = False
        self._text, self._at = "", 0
        self._lines_taken, self._begins = 0, 0

    def add(self, text: str) -> None:
        """More text; what was read of whole records is dropped."""
        self._text, self._at, self._begins = self._text[self._begins :] + text, 0, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """The next line, with its end."""
        found = _LINE.match(self._text, self._at)
        end = found.end() if found else len(self._text) if self.ended else self._at
        if end == self._at:
            raise StopIteration if self.ended else _LinesSoFar
        line = self._text[self._at : end]
        self._at = end
        self._lines_taken += 1
        return line

    def record_is_whole(self) -> None:
        """What was taken is done with."""
        self.number += self._lines_taken
        self._begins, self._lines_taken = self._at, 0

    def record_is_not_whole(self) -> None:
        """What was taken is read again when more has come."""
        self._at, self._lines_taken = self._begins, 0
        if len(self._text) - self._begins > MAX_VALUE_BYTES:
            raise bad_line(self.number + 1, f"more than {MAX_VALUE_BYTES} characters")

    @property
    def current(self) -> int:
        """The number of the line that was taken last."""
        return self.number + self._lines_taken


class CsvBatch:
    """Reads a header, then an item a line; the mode is not in the text."""

    def __init__(self, mode: str) -> None:
        self.members: dict[str, Any] = {"mode": mode}
        self.has_list = True
        self.other: Any = None
        self._lines = _Lines()
        self._text = codecs.getincrementaldecoder("utf-8-sig")()
        self._reader = csv.reader(self._lines, strict=True)
        self._header: Sequence[str] | None = None

    def feed(self, data: bytes) -> Iterator[tuple[Any, int]]:
        """Take more of the text; the items that are whole now, each with the line it ends in.

        Raises:
            RequestValidationError: a line is not as it should be.
        """
        yield from self._read(data, final=False)

    def end(self) -> Iterator[tuple[Any, int]]:
        """The text is whole; the items of its last line."""
        yield from self._read(b"", final=True)
        if self._header is None:
            _header([])

    def _read(self, data: bytes, *, final: bool) -> Iterator[tuple[Any, int]]:
        try:
            self._lines.add(self._text.decode(data, final))
        except UnicodeDecodeError:
            raise bad_line(self._lines.number + 1, "the file is not UTF-8") from None
        self._lines.ended = final
        try:
            for cells in self._reader:
                line = self._lines.current
                self._lines.record_is_whole()
                if line > MAX_LINES:
                    raise bad_line(line, f"a batch has at most {MAX_LINES} lines")
                if self._header is None:
                    self._header = _header(cells)
                elif cells:
                    yield _item(self._header, cells, line), line
        except _LinesSoFar:
            self._lines.record_is_not_whole()
        except csv.Error as error:
            raise bad_line(self._lines.current, str(error)) from None


def bad_line(line: int, message: str) -> RequestValidationError:
    """The refusal of a file for one of its lines."""
    wrong = {"type": "csv", "loc": ("body", "transfers"), "msg": f"line {line}: {message}"}
    return RequestValidationError([wrong])


def _header(names: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in names if name not in _COLUMNS]
    if not names or unknown or len(set(names)) != len(names):
        raise bad_line(1, "the header must name fields of a transfer, each once")
    return names


def _item(header: Sequence[str], cells: Sequence[str], line: int) -> dict[str, Any]:
    if len(cells) != len(header):
        raise bad_line(line, f"{len(cells)} cells under a header of {len(header)}")
    return {name: _value(name, cell) for name, cell in zip(header, cells, strict=True) if cell}


def _value(name: str, cell: str) -> object:
    """What the cell stands for in JSON; one that cannot be that is left for the check to refuse."""
    if name == "amount" and _WHOLE_NUMBER.fullmatch(cell):
        return int(cell)
    if name == "metadata":
        try:
            return parse_json(cell)
        except JsonInvalid:
            return cell
    return cell
