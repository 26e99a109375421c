"""Documents that cannot be read, as the proof finds them: in all collections, or as they change."""

from collections.abc import AsyncIterator, Iterable
from functools import cache

from beanie import Document
from pydantic import ValidationError
from pydantic_core import SchemaValidator
from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.conservation import INSERT, Change
from payflow.domain.invariants import Finding, Invariant
from payflow.proof.sums import Database
from payflow.storage.document_schema import check_of
from payflow.storage.documents import DOCUMENTS
from payflow.storage.misfits import misfits, name_of


async def misfit_findings(
    database: Database, session: AsyncClientSession
) -> AsyncIterator[Finding]:
    """Every document of every collection that is not as its class says."""
    async for one in misfits(database, session):
        yield _finding(one.collection, str(one.document_id), "it is not as a document of its kind")


def misfit_changes(changes: Iterable[Change]) -> list[Finding]:
    """What became unreadable by these changes of the books."""
    found = []
    for change in changes:
        names = () if change.operation == INSERT else tuple(sorted(change.fields))
        check = _check_of(change.collection, names)
        if check is None:
            continue
        try:
            check.validate_python(dict(change.fields))
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, wrong["loc"]))
            found.append(_finding(change.collection, change.key, f"{where}: {wrong['msg']}"))
    return found


@cache
def _check_of(collection: str, names: tuple[str, ...]) -> SchemaValidator | None:
    document = _classes().get(collection)
    if document is None:
        return None
    known = tuple(name for name in names if name in document.model_fields)
    return check_of(document, known) if known or not names else None


@cache
def _classes() -> dict[str, type[Document]]:
    return {name_of(document): document for document in DOCUMENTS}


def _finding(collection: str, document_id: str, why: str) -> Finding:
    detail = f"the document in {collection} cannot be read: {why}"
    return Finding(Invariant.DOCUMENTS_READABLE, document_id, detail)
