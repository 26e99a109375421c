"""Journal documents to feed documents: an event, its place, who may see it, and its seal."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from payflow.domain.events import chain_hash
from payflow.storage.document_schema import check_of
from payflow.storage.documents import JournalDocument
from payflow.storage.journal_tail import PLACED
from payflow.storage.reading import unreadable

Fields = dict[str, Any]

JOURNAL = JournalDocument.Settings.name

_CHECK = check_of(JournalDocument, PLACED).validate_python


def is_readable(fields: Fields) -> bool:
    """Whether a journal document holds an event; one that does not is passed over."""
    try:
        _CHECK(fields)
    except ValidationError as error:
        unreadable(JOURNAL, fields.get("_id"), error)
        return False
    return True


def placed(documents: Iterable[Fields], position: int, previous_hash: str) -> list[Fields]:
    """The feed documents that follow this position, each sealed to the one before it."""
    made = []
    for fields in documents:
        document: Fields = {
            "_id": position + 1,
            "event_id": fields["event"]["id"],
            "event": fields["event"],
            "audience": fields["audience"],
        }
        # a leg's document names its transfer and the wallet it touched: the event is the transfer's
        subject = "transfer_id" if fields.get("transfer_id") else "wallet_id"
        for name in (subject, "endpoint_id", "traceparent"):
            if fields.get(name):
                document[name] = fields[name]
        document["previous_hash"] = previous_hash
        try:
            document["hash"] = chain_hash(document)
        except (TypeError, ValueError, RecursionError) as error:  # nothing that JSON can express
            unreadable(JOURNAL, fields.get("_id"), error)
            continue
        position, previous_hash = position + 1, document["hash"]
        made.append(document)
    return made
