"""The body of a batch, JSON or CSV: checked and hashed item by item while it comes.

What is refused is refused at once: the 10,001st item, the hundredth error. So a body costs what its
orders take, and no step of it holds the process.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Protocol

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

from api.batch_csv import CsvBatch
from api.batch_json import LIST, JsonBatch, ValueTooLarge
from api.dependencies import Viewer, request_id_of
from api.idempotency import canonical, parse_key, request_hash
from api.parts import Ask
from api.v1 import examples
from api.v1.schemas import NewBatch, NewTransfer
from payflow.domain.batch_ports import BatchOrder
from payflow.domain.batches import BatchMode
from payflow.domain.json_text import JsonInvalid
from payflow.domain.ports import IdempotencyClaim, TransferOrder

MAX_ERRORS = 100  # more are not looked for; the next try reports them
PIECE_BYTES = 16_384  # read at once at least: a value of 64 KiB is begun again four times at most

CsvMode = Annotated[
    BatchMode, Query(description="The mode of a batch sent as CSV; JSON has it in the body.")
]


@dataclass(frozen=True, slots=True)
class BatchCall:
    """A batch as it was asked for, and what makes two such requests one."""

    order: BatchOrder
    claim: IdempotencyClaim


class _Text(Protocol):
    """The text of a batch in some form."""

    members: dict[str, Any]
    has_list: bool
    other: Any

    def feed(self, data: bytes) -> Iterator[tuple[Any, int]]:
        """The items that are whole after so much more of it, each with its line or 0."""
        ...

    def end(self) -> Iterator[tuple[Any, int]]:
        """The items of its end."""
        ...


class _Batch:
    """The orders of a batch, as far as it has come; raises what refuses it."""

    def __init__(self, text: _Text, payer_id: str, request_id: str, most: int) -> None:
        self._text = text
        self._payer_id = payer_id
        self._request_id = request_id
        self._most = most
        self._count = 0
        self._hash = sha256()
        self._orders: list[TransferOrder] = []
        self._errors: list[dict[str, Any]] = []

    def feed(self, data: bytes) -> None:
        """Take more of the body."""
        self._take(self._text.feed(data))

    def end(self) -> None:
        """The body is whole; what is wrong with it is raised."""
        self._take(self._text.end())
        self._check_frame()
        self._refuse(self._errors)

    def call(self, method: str, path: str, user_id: str, key: str) -> BatchCall:
        """The batch, once it is checked."""
        mode = BatchMode(self._text.members["mode"])
        hashed = request_hash(method, path, [mode, self._hash.hexdigest()])
        order = BatchOrder(self._payer_id, mode, self._orders, self._request_id)
        return BatchCall(order, IdempotencyClaim(user_id, key, hashed))

    def _take(self, items: Iterator[tuple[Any, int]]) -> None:
        try:
            for value, line in items:
                self._add(value, line)
        except JsonInvalid as error:
            raise HTTPException(400) from error
        except ValueTooLarge as error:
            where = (LIST, self._count) if error.member is None else (error.member,)
            found = {"type": "too_large", "loc": ("body", *where), "msg": str(error)}
            self._refuse([*self._errors, found])
        if len(self._text.members) > MAX_ERRORS:
            self._check_frame()
            self._refuse(self._errors)

    def _add(self, value: object, line: int) -> None:
        index = self._count
        if index >= self._most:
            wrong = f"List should have at most {self._most} items"
            found = {"type": "too_long", "loc": ("body", LIST), "msg": wrong}
            self._refuse([*self._errors[: MAX_ERRORS - 1], found])
        self._count += 1
        self._hash.update(canonical(value).encode() + b"\n")
        try:
            order = NewTransfer.model_validate(value).order(self._payer_id, self._request_id)
        except ValidationError as error:
            self._orders.clear()
            self._errors += [_placed(one, (LIST, index), line) for one in _errors_of(error)]
            if len(self._errors) >= MAX_ERRORS:
                self._refuse(self._errors)
        else:
            if not self._errors:
                self._orders.append(order)

    def _check_frame(self) -> None:
        """Whether everything but the items is as it should be: found by the documented schema."""
        frame: Any = self._text.other
        if frame is None:
            frame = dict(self._text.members)
            if self._text.has_list:
                frame[LIST] = [examples.TRANSFER] if self._count else []
        try:
            NewBatch.model_validate(frame)
        except ValidationError as error:
            self._errors[:0] = [_placed(one) for one in _errors_of(error)]

    def _refuse(self, errors: list[dict[str, Any]]) -> None:
        if errors:
            raise RequestValidationError(errors[:MAX_ERRORS])


async def _call(
    request: Request, viewer: Viewer, ask: Ask, mode: CsvMode = BatchMode.INDEPENDENT
) -> AsyncIterator[BatchCall]:
    """The batch; what it takes of the process's memory is given back when it is answered."""
    key = parse_key(request.headers.getlist("idempotency-key"))
    text = _text_of(request, mode)
    batch = _Batch(text, viewer.user_id, request_id_of(request), ask.large_bodies.max_items)
    with ask.large_bodies.begin(viewer.user_id) as body:
        async for piece in _pieces(request):
            body.add(len(piece))
            await body.work(batch.feed, piece)
        await body.work(batch.end)
        yield batch.call(request.method, request.url.path, viewer.user_id, key)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    gathered = bytearray()
    async for chunk in request.stream():
        gathered += chunk
        if len(gathered) >= PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _text_of(request: Request, mode: BatchMode) -> _Text:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return JsonBatch()
    if media_type == "text/csv":
        return CsvBatch(mode.value)
    raise HTTPException(415)


def _errors_of(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False)[:MAX_ERRORS]


def _placed(
    error: ErrorDetails, within: tuple[str | int, ...] = (), line: int = 0
) -> dict[str, Any]:
    """The error with its place in the body, and in a CSV file its line."""
    place = f"line {line}: " if line else ""
    message = error["msg"].removeprefix("Value error, ")
    return {**error, "loc": ("body", *within, *error["loc"]), "msg": f"{place}{message}"}


AskedBatch = Annotated[BatchCall, Depends(_call)]
