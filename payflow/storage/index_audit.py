"""The indexes the code counts on, held against those the database has; it creates none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from payflow.storage.documents import DOCUMENTS

_DEFINES = ("key", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds")


@dataclass(frozen=True, slots=True)
class IndexAudit:
    """Indexes by ``collection.name``: ours that are missing or others than ours, and strangers."""

    present: int
    missing: tuple[str, ...]
    different: tuple[str, ...]
    unknown: tuple[str, ...]


async def audit_indexes(database: AsyncDatabase[dict[str, Any]]) -> IndexAudit:
    """Compare every collection's indexes by their definitions."""
    present = 0
    missing, different, unknown = [], [], []
    for document in DOCUMENTS:
        collection: str = getattr(document.Settings, "name")  # noqa: B009 - not on the base class
        declared = getattr(document.Settings, "indexes", ())
        wanted = {index.document["name"]: _definition(index.document) for index in declared}
        found = {
            index["name"]: _definition(index)
            async for index in await database[collection].list_indexes()
            if index["name"] != "_id_"
        }
        present += len(wanted.keys() & found.keys())
        missing += [f"{collection}.{name}" for name in wanted.keys() - found.keys()]
        unknown += [f"{collection}.{name}" for name in found.keys() - wanted.keys()]
        both = wanted.keys() & found.keys()
        different += [f"{collection}.{name}" for name in both if wanted[name] != found[name]]
    return IndexAudit(
        present, tuple(sorted(missing)), tuple(sorted(different)), tuple(sorted(unknown))
    )


def _definition(index: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: index[name] for name in _DEFINES if index.get(name) not in (None, False)}
    said["key"] = [(field, int(direction)) for field, direction in index["key"].items()]
    return said
