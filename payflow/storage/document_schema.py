"""What a stored document must look like, derived from its class: to check one as it is read, and
to ask MongoDB which documents of a collection are not so.

The driver reads 64-bit numbers as its own kind of integer, so the classes are not used to parse.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge
from beanie import Document
from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, SchemaValidator
from pydantic_core import core_schema as core

Schema = dict[str, Any]

_NOT_STORED = {"revision_id"}  # Beanie's own, unused
_JSON = "json"
_JSON_TYPES = ["string", "int", "long", "double", "bool", "null", "object", "array"]


@dataclass(frozen=True, slots=True)
class _Form:
    """One type, as pydantic checks it and as MongoDB is asked for it."""

    check: CoreSchema
    asked: Schema


def check_of(document: type[Document], names: Sequence[str] = ()) -> SchemaValidator:
    """What raises ``ValidationError`` over a document that is not as its class says.

    ``names``: the fields that were read, where it was not the whole document.
    """
    fields = _stored_fields(document)
    chosen = {name: fields[name] for name in names or fields}
    return SchemaValidator(core.definitions_schema(_form_of_fields(chosen).check, [_json_value()]))


def json_schema_of(document: type[Document]) -> Schema:
    """The same for MongoDB's ``$jsonSchema``."""
    return _form_of_fields(_stored_fields(document)).asked


def _stored_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {
        ("_id" if name == "id" and issubclass(model, Document) else name): field
        for name, field in model.model_fields.items()
        if name not in _NOT_STORED
    }


def _form_of_fields(fields: Mapping[str, FieldInfo]) -> _Form:
    forms = {name: _form(field.annotation, field.metadata) for name, field in fields.items()}
    required = [name for name, field in fields.items() if field.is_required()]
    check = core.typed_dict_schema(
        {
            name: core.typed_dict_field(form.check, required=name in required)
            for name, form in forms.items()
        },
        extra_behavior="ignore",
    )
    asked: Schema = {
        "bsonType": "object",
        "properties": {name: form.asked for name, form in forms.items()},
    }
    return _Form(check, asked | ({"required": required} if required else {}))


def _form(annotation: object, metadata: Iterable[object] = ()) -> _Form:
    if annotation is int:
        return _integer(metadata)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    compose = _COMPOSED.get(get_origin(annotation))
    if compose is not None:
        return compose(get_args(annotation), metadata)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        values = [one.value for one in annotation]
        return _Form(core.literal_schema(values), {"enum": values})
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _form_of_fields(_stored_fields(annotation))
    raise TypeError(f"no document has a field of {annotation!r}")


def _integer(metadata: Iterable[object]) -> _Form:
    least = next((one.ge for one in metadata if isinstance(one, Ge)), None)
    if not isinstance(least, int):
        return _Form(core.int_schema(strict=True), {"bsonType": ["int", "long"]})
    asked = {"bsonType": ["int", "long"], "minimum": least}
    return _Form(core.int_schema(strict=True, ge=least), asked)


def _annotated(parts: Sequence[Any], _: Iterable[object]) -> _Form:
    return _form(parts[0], parts[1:])


def _union(parts: Sequence[Any], metadata: Iterable[object]) -> _Form:
    forms = [_form(part, metadata) for part in parts]
    check = core.union_schema([form.check for form in forms], mode="left_to_right")
    return _Form(check, {"anyOf": [form.asked for form in forms]})


def _list(parts: Sequence[Any], _: Iterable[object]) -> _Form:
    form = _form(parts[0])
    check = core.list_schema(form.check, strict=True)
    return _Form(check, {"bsonType": "array", "items": form.asked})


def _mapping(parts: Sequence[Any], _: Iterable[object]) -> _Form:
    form = _form(parts[1])
    check = core.dict_schema(core.str_schema(strict=True), form.check, strict=True)
    return _Form(check, {"bsonType": "object", "additionalProperties": form.asked})


def _json_value() -> CoreSchema:
    """Whatever JSON can express; pydantic's own ``JsonValue`` asks Python about each value."""
    again = core.definition_reference_schema(_JSON)
    kinds: list[CoreSchema | tuple[CoreSchema, str]] = [
        core.str_schema(strict=True),
        core.bool_schema(strict=True),
        core.int_schema(strict=True),
        core.float_schema(strict=True, allow_inf_nan=False),
        core.none_schema(),
        core.list_schema(again, strict=True),
        core.dict_schema(core.str_schema(strict=True), again, strict=True),
    ]
    return core.union_schema(kinds, mode="left_to_right", ref=_JSON)


_SCALARS: Mapping[object, _Form] = {
    str: _Form(core.str_schema(strict=True), {"bsonType": "string"}),
    float: _Form(core.float_schema(), {"bsonType": ["double", "int", "long"]}),
    bool: _Form(core.bool_schema(strict=True), {"bsonType": "bool"}),
    bytes: _Form(core.bytes_schema(strict=True), {"bsonType": "binData"}),
    datetime: _Form(core.datetime_schema(strict=True), {"bsonType": "date"}),
    NoneType: _Form(core.none_schema(), {"bsonType": "null"}),
    Any: _Form(core.any_schema(), {}),
    JsonValue: _Form(core.definition_reference_schema(_JSON), {"bsonType": _JSON_TYPES}),
}
_COMPOSED: Mapping[object, Callable[[Sequence[Any], Iterable[object]], _Form]] = {
    Annotated: _annotated,
    Union: _union,
    UnionType: _union,
    list: _list,
    dict: _mapping,
}
