"""Documents that cannot be read, of every class: each field missing, and each of a wrong type.

Generated from the document classes, so a new collection is spoilt without a word here. A good
document of the collection is copied under ids of its own; where the id is a position or a number,
existing documents are spoilt.
"""

import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from beanie import Document
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from ulid import ULID

from payflow.storage.documents import DOCUMENTS
from payflow.storage.identity import SystemClock
from payflow.storage.misfits import name_of
from tests.e2e.auditing import Database

Fields = dict[str, Any]

ONE_OF_A_KIND = {"proof_state", "simulation"}  # a document is their whole collection


@dataclass(frozen=True)
class Spoilt:
    """A document that cannot be read, and what was done to it."""

    collection: str
    id: Any
    field: str
    how: str


def fields_of(document: type[Document]) -> Mapping[str, FieldInfo]:
    """The fields whose type is said, but the id."""
    left_out = {"id", "revision_id"}
    return {n: f for n, f in document.model_fields.items() if n not in left_out}


def ways(document: type[Document]) -> Iterator[tuple[str, str]]:
    """Each field, and what is done to it that leaves a document unreadable."""
    for name, field in fields_of(document).items():
        if field.is_required():
            yield name, "missing"
        yield name, "wrong"


async def spoil_all(database: Database) -> AsyncIterator[Spoilt]:
    """Spoil documents of every collection in every way."""
    for document in DOCUMENTS:
        name = name_of(document)
        if name in ONE_OF_A_KIND:
            continue
        positions = document.model_fields["id"].annotation is int
        existing = await database[name].find({}, sort=[("_id", 1)]).to_list()
        template = next((one for one in existing if is_unfinished(one)), None) or example(document)
        for number, (field, how) in enumerate(ways(document)):
            if positions:
                spoilt = existing[number]
            else:
                spoilt = {**deepcopy(template), "_id": another(template["_id"], number)}
                apart(spoilt, name)
            if how == "missing":
                del spoilt[field]
            else:
                spoilt[field] = wrong_for(document.model_fields[field].annotation)
            await database[name].replace_one({"_id": spoilt["_id"]}, spoilt, upsert=True)
            yield Spoilt(name, spoilt["_id"], field, how)


def wrong_for(annotation: Any) -> Any:
    """A value that no field of this type can have."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return "spoilt" if any(get_origin(one) is dict for one in parts) else {"spoilt": [True]}


def another(document_id: str, number: int) -> str:
    """An id of the same kind."""
    of_its_kind = re.sub(r"_[0-9A-Z]{26}", f"_{ULID()}", document_id, count=1)
    return of_its_kind if of_its_kind != document_id else f"{document_id}-{number}"


def is_unfinished(fields: Fields) -> bool:
    """Of transfers those that the sweep reads, of other collections any."""
    return "party_ids" not in fields or fields["completed_at"] is None


def apart(fields: Fields, collection: str) -> None:
    """Give a copy values of its own where a unique index asks for them."""
    mark = secrets.token_hex(4)
    for name in ("email", "key_hash", "subject_id"):
        if name in fields:
            fields[name] = f"{fields[name]}-{mark}"
    for name in ("wallet_sequence", "batch_index"):
        if isinstance(fields.get(name), int):
            fields[name] += secrets.randbelow(10**9) + 10**6
    if collection == "journal":
        fields["event"]["id"] = f"{fields['event']['id']}-{mark}"
        fields.pop("idempotency", None)


def example(document: type[BaseModel]) -> Fields:
    """A good document of a class of which there is none."""
    fields = {name: f for name, f in document.model_fields.items() if name != "revision_id"}
    made = {name: value_of(f.annotation) for name, f in fields.items()}
    return {"_id": made.pop("id"), **made}


def value_of(annotation: Any) -> Any:
    """A good value."""
    simple = {str: secrets.token_hex(8), int: 1, bool: True, NoneType: None, float: 0.5}
    if annotation in simple:
        return simple[annotation]
    if annotation is datetime:
        return SystemClock().now() + timedelta(hours=1)
    if get_origin(annotation) in (Union, UnionType):
        return value_of(get_args(annotation)[0])
    if get_origin(annotation) in (list, dict):
        return get_origin(annotation)()
    if issubclass(annotation, Enum):
        return next(iter(annotation)).value
    return {name: value_of(f.annotation) for name, f in annotation.model_fields.items()}
