"""What a piece of work is about: carried by the task that does it, written on each log line."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_facts: ContextVar[dict[str, str] | None] = ContextVar("payflow_facts", default=None)


@contextmanager
def about(**facts: str | None) -> Iterator[None]:
    """Lines written inside carry these facts (ids, never people) beside those around them."""
    token = _facts.set({**(_facts.get() or {}), **_given(facts)})
    try:
        yield
    finally:
        _facts.reset(token)


def note(**facts: str | None) -> None:
    """Add what has become known to the innermost ``about``; outside of any, nothing happens."""
    inside = _facts.get()
    if inside is not None:
        inside.update(_given(facts))


def facts() -> dict[str, str]:
    """The facts of the work under way."""
    return dict(_facts.get() or {})


def _given(facts: dict[str, str | None]) -> dict[str, str]:
    return {name: fact for name, fact in facts.items() if fact is not None}
