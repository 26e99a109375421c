"""The body of a batch, JSON or CSV: read once, checked whole, and hashed for its key."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from api.dependencies import Viewer
from api.idempotency import parse_key, request_hash
from api.v1.schemas import NewBatch, NewTransfer
from payflow.domain.batches import BatchMode
from payflow.domain.ports import IdempotencyClaim

_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_COLUMNS = frozenset(NewTransfer.model_fields)

CsvMode = Annotated[
    BatchMode, Query(description="The mode of a batch sent as CSV; JSON has it in the body.")
]


@dataclass(frozen=True, slots=True)
class BatchCall:
    """A batch as it was asked for, and what makes two such requests one."""

    body: NewBatch
    claim: IdempotencyClaim


@dataclass(frozen=True, slots=True)
class _Parsed:
    """What was sent, before it is checked; ``lines`` is where in a CSV file each item ends."""

    content: Any
    lines: list[int] = field(default_factory=list)


async def _call(
    request: Request, viewer: Viewer, mode: CsvMode = BatchMode.INDEPENDENT
) -> BatchCall:
    key = parse_key(request.headers.getlist("idempotency-key"))
    parse = _parser_of(request, mode)
    # 10,000 items take half a second to check: in a thread, so that others are served meanwhile
    return await asyncio.to_thread(_read, await request.body(), parse, request, viewer.user_id, key)


def _read(
    raw: bytes, parse: Callable[[bytes], _Parsed], request: Request, user_id: str, key: str
) -> BatchCall:
    parsed = parse(raw)
    hashed = request_hash(request.method, request.url.path, parsed.content)
    return BatchCall(_checked(parsed), IdempotencyClaim(user_id, key, hashed))


def _parser_of(request: Request, mode: BatchMode) -> Callable[[bytes], _Parsed]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _from_json
    if media_type == "text/csv":
        return lambda raw: _from_csv(raw, mode)
    raise HTTPException(415)


def _from_json(raw: bytes) -> _Parsed:
    try:
        return _Parsed(json.loads(raw))
    except (ValueError, RecursionError):
        raise HTTPException(400) from None


def _from_csv(raw: bytes, mode: BatchMode) -> _Parsed:
    """The file as the JSON it stands for: the header names the fields, empty cells are left out."""
    try:
        reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
    except UnicodeDecodeError:
        raise _bad_line(1, "the file is not UTF-8") from None
    items, lines = [], []
    try:
        header = _header(next(reader, []))
        for cells in reader:
            if cells:
                items.append(_item(header, cells, reader.line_num))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise _bad_line(reader.line_num, str(error)) from None
    return _Parsed({"mode": mode.value, "transfers": items}, lines)


def _header(names: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in names if name not in _COLUMNS]
    if not names or unknown or len(set(names)) != len(names):
        raise _bad_line(1, "the header must name fields of a transfer, each once")
    return names


def _item(header: Sequence[str], cells: Sequence[str], line: int) -> dict[str, Any]:
    if len(cells) != len(header):
        raise _bad_line(line, f"{len(cells)} cells under a header of {len(header)}")
    return {name: _value(name, cell) for name, cell in zip(header, cells, strict=True) if cell}


def _value(name: str, cell: str) -> object:
    """What the cell stands for in JSON; one that cannot be that is left for the check to refuse."""
    if name == "amount" and _WHOLE_NUMBER.fullmatch(cell):
        return int(cell)
    if name == "metadata":
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _checked(parsed: _Parsed) -> NewBatch:
    try:
        return NewBatch.model_validate(parsed.content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([_placed(one, parsed.lines) for one in found]) from None


def _placed(error: ErrorDetails, lines: Sequence[int]) -> dict[str, Any]:
    """The error with its place in the body, and in a CSV file its line."""
    index = next((part for part in error["loc"] if isinstance(part, int)), None)
    line = f"line {lines[index]}: " if lines and index is not None else ""
    return {**error, "loc": ("body", *error["loc"]), "msg": f"{line}{_plain(error['msg'])}"}


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def _bad_line(line: int, message: str) -> RequestValidationError:
    wrong = {"type": "csv", "loc": ("body", "transfers"), "msg": f"line {line}: {message}"}
    return RequestValidationError([wrong])


AskedBatch = Annotated[BatchCall, Depends(_call)]
