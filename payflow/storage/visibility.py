"""Who may see what, as a part of every query: there is no object to be found and then checked.

An operator sees each object by its id; everybody else only what is theirs. Lists are of one's own
things, an operator's too, but for transfers and events, of which an operator sees all.
"""

from typing import Any

from payflow.domain.users import Principal

Query = dict[str, Any]


def visible_to(viewer: Principal, subject_id: str, owner: str = "owner_id") -> Query:
    """The query of one object; ``owner`` is the field that names whose it is."""
    return {"_id": subject_id, **whatever_is_of(viewer, owner)}


def whatever_is_of(viewer: Principal, owner: str) -> Query:
    """The part of a query that leaves out what the viewer may not see."""
    return {} if viewer.is_operator else {owner: viewer.user_id}


def owned_by(viewer: Principal, *, after: str | None = None) -> Query:
    """The query of a list of one's own things, newest first, on from ``after``."""
    older = {} if after is None else {"_id": {"$lt": after}}
    return {"owner_id": viewer.user_id, **older}


def owned_one(viewer: Principal, subject_id: str) -> Query:
    """The query of one's own thing, of which an operator has none."""
    return {"_id": subject_id, "owner_id": viewer.user_id}
