"""The one way from a stored document to a domain value, and past a document that cannot be read.

``read_from`` makes a mapping check the document against its class first. What does not fit, or
cannot be mapped, is ``DocumentUnreadable``: counted, logged once, and the trouble of nobody else.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from beanie import Document
from pydantic import ValidationError

from payflow.domain.errors import DocumentUnreadable
from payflow.observability.unreadable import UNREADABLE
from payflow.storage.document_schema import check_of

T = TypeVar("T")
Fields = Mapping[str, Any]
Reading = Callable[[Fields], T]


def read_from(
    document: type[Document], *names: str
) -> Callable[[Callable[[Fields], T]], Callable[[Fields], T]]:
    """Make a mapping raise ``DocumentUnreadable`` for whatever it cannot make a value of.

    ``names``: the fields it is given, where it is not the whole document.
    """
    collection = str(getattr(document, "Settings").name)  # noqa: B009  # Beanie's, undeclared
    check = check_of(document, names).validate_python

    def checked(mapping: Callable[[Fields], T]) -> Callable[[Fields], T]:
        @wraps(mapping)
        def read(fields: Fields) -> T:
            try:
                check(fields)
                return mapping(fields)
            except Exception as error:  # whatever is wrong with it is wrong with it alone
                raise unreadable(collection, fields.get("_id"), error) from error

        return read

    return checked


def unreadable(collection: str, document_id: object, why: object) -> DocumentUnreadable:
    """The error for such a document, which is counted and logged."""
    reason = _words(why) if isinstance(why, ValidationError) else repr(why)
    UNREADABLE.note(collection, document_id, reason)
    return DocumentUnreadable(collection, str(document_id))


def readable(mapping: Callable[[Fields], T], documents: Iterable[Fields]) -> list[T]:
    """The values of the documents that can be read; the others are passed over."""
    return [value for one in documents for value in _value_or_none(mapping, one)]


async def each_readable(
    mapping: Callable[[Fields], T], documents: AsyncIterable[Fields]
) -> AsyncIterator[T]:
    """The same, as they come."""
    async for one in documents:
        for value in _value_or_none(mapping, one):
            yield value


def _value_or_none(mapping: Callable[[Fields], T], fields: Fields) -> tuple[T, ...]:
    try:
        return (mapping(fields),)
    except DocumentUnreadable:
        return ()


def _words(error: ValidationError) -> str:
    """Where it is wrong and how; what stands there may be somebody's secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:5])
