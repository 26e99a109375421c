"""No document class has a field whose own names a user could choose: those are stored as pairs."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from api.app import routed_app
from payflow.settings import Settings
from payflow.storage.documents import DOCUMENTS

# Mappings in documents, and where their names come from: our code, Temporal, or MongoDB.
OURS = {
    "journal.event.data",  # the object's fields; users' keys in it are pairs
    "journal.order",  # parties, and the place in a batch
    "journal.origin",
    "journal.note",
    "feed.event.data",
    "simulation.rules",  # FaultRule's fields
    "audit.facts",
    "timelines.attempts",  # run, activity and number of an attempt
    "webhook_endpoints.turns",
    "proof_state.token",  # a resume token of MongoDB's own
    "proofs.statement",
    "receipt_roots.statement",
}


def mappings(annotation: Any, path: str) -> Iterator[str]:
    """The fields that hold a mapping, at any depth."""
    if annotation is dict or get_origin(annotation) is dict:
        yield path
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from mappings(field.annotation, f"{path}.{name}")
    else:
        for one in get_args(annotation):
            yield from mappings(one, path)


def test_every_mapping_that_is_stored_has_names_of_ours() -> None:
    found = {
        where
        for document in DOCUMENTS
        for name, field in document.model_fields.items()
        for where in mappings(field.annotation, f"{document.Settings.name}.{name}")
    }
    assert found == OURS


def open_objects(schema: Any, path: str, schemas: dict[str, Any]) -> Iterator[str]:
    """The objects of a request whose names the client chooses."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from open_objects(schemas[name], name, schemas)
    if schema.get("type") == "object" and schema.get("additionalProperties", True) is not False:
        yield path
    for name, one in schema.get("properties", {}).items():
        yield from open_objects(one, f"{path}.{name}", schemas)
    for one in (*schema.get("anyOf", ()), *filter(None, [schema.get("items")])):
        yield from open_objects(one, path, schemas)


def test_metadata_is_the_one_object_of_a_request_with_names_of_the_clients() -> None:
    spec = routed_app(Settings()).openapi()
    schemas = spec["components"]["schemas"]
    bodies = [
        content["schema"]
        for operations in spec["paths"].values()
        for operation in operations.values()
        for media, content in operation.get("requestBody", {}).get("content", {}).items()
        if media == "application/json"
    ]
    found = {path for body in bodies for path in open_objects(body, "body", schemas)}
    assert found == {"NewTransfer.metadata"}
