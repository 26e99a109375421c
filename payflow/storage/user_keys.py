"""Keys that users chose, as they are stored: values in a list of pairs, never names of fields.

A store gives some names a meaning of its own: MongoDB's driver reads ``{"$ref": …, "$id": …}`` as
a reference, its server reads names with ``$`` and ``.`` as operators and paths. As a value no text
has a meaning. The order of the keys is kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

METADATA = "metadata"  # the one field of an event's data whose keys are the user's


class UserPair(BaseModel):
    """One key of a user's and its value."""

    key: str
    value: str


def to_pairs(chosen: Mapping[str, str]) -> list[dict[str, str]]:
    """A user's mapping as it is stored."""
    return [{"key": key, "value": value} for key, value in chosen.items()]


def from_pairs(pairs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The mapping as the user sent it."""
    return {pair["key"]: pair["value"] for pair in pairs}


def stored_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data as journal and event log store it; the event's hash is over this form."""
    return {**data, METADATA: to_pairs(data[METADATA])} if METADATA in data else dict(data)


def sent_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data as clients and subscribers get it."""
    return {**data, METADATA: from_pairs(data[METADATA])} if METADATA in data else dict(data)


def sent_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """A stored event as clients and subscribers get it."""
    return {**event, "data": sent_data(event["data"])}
