"""A call as a value: what is sent, checked before it is, and what its answer has to be."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from payflow.client.errors import CallInvalid
from payflow.domain.json_text import parse_json

T_co = TypeVar("T_co", covariant=True)

ANSWER_WITHIN_S = 30.0  # beyond what a call asks to wait
MAX_WAIT_S = 30  # the API waits no longer

# What the API takes, without the spaces at both ends: HTTP drops them, and " a" would be "a".
_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_NO_JSON = (TypeError, ValueError, RecursionError)  # what the encoder raises; also of surrogates
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One request. ``repeatable``: made twice it has one effect, so it may be made again.

    ``answer`` is the type of its answer, a ``TypedDict`` or a page of one; None is any or no JSON.

    Raises:
        CallInvalid: the key is none the API takes, or the wait is not 0 to 30 s.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    key: str | None = None
    wait_s: int = 0
    harmless: bool = False
    page_by: str = "cursor"
    answer: Any = None

    def __post_init__(self) -> None:
        if self.key is not None and not (isinstance(self.key, str) and _KEY.fullmatch(self.key)):
            raise CallInvalid(
                "key", "must be 1 to 255 printable ASCII characters, with no space at either end"
            )
        if not isinstance(self.wait_s, int) or not 0 <= self.wait_s <= MAX_WAIT_S:
            raise CallInvalid("wait_s", f"must be 0 to {MAX_WAIT_S} seconds")

    @property
    def repeatable(self) -> bool:
        """Whether an attempt whose end is not known may be followed by another one."""
        return self.method in ("GET", "DELETE") or self.key is not None or self.harmless

    @property
    def headers(self) -> dict[str, str]:
        """The key, how long to wait for the end, and what the body is."""
        headers = {} if self.key is None else {"Idempotency-Key": self.key}
        headers |= {"Prefer": f"wait={self.wait_s}"} if self.wait_s else {}
        return headers | ({} if self.body is None else {"Content-Type": "application/json"})

    @property
    def content(self) -> bytes | None:
        """The body as JSON.

        Raises:
            CallInvalid: JSON cannot say it.
        """
        return None if self.body is None else _encoded(self.body)

    @property
    def timeout_s(self) -> float:
        """When to give an attempt up."""
        return self.wait_s + ANSWER_WITHIN_S

    def after(self, cursor: str) -> "Call[T_co]":
        """The call for the next page."""
        return replace(self, query={**self.query, self.page_by: cursor})

    def parse(self, content: bytes) -> Any:  # noqa: ANN401  # of the type ``answer``
        """The answer, or ``ValueError``: it is no JSON, or lacks what this answer always has."""
        if self.answer is None and not content:
            return None
        value = parse_json(content)
        if self.answer is not None and not _conforms(value, self.answer):
            raise ValueError("is not the JSON of this answer")
        return value


def new_key() -> str:
    """An idempotency key that was never used."""
    return f"pfk-{secrets.token_hex(16)}"


def path_of(template: str, **ids: str) -> str:
    """The path with the ids in their places, in order; an id is one segment of it and no more.

    Raises:
        CallInvalid: one is no id. Quoting it would not do: proxies undo ``%2F`` and ``%2E``.
    """
    for name, value in ids.items():
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise CallInvalid(name, "must be an id: 1 to 64 letters, digits, _ and -")
    return template.format(*ids.values())


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return _json(body)
    except _NO_JSON as error:
        field_name = next(_unsendable(body), "body")
        raise CallInvalid(field_name, f"cannot be sent as JSON: {error}") from None


def _json(value: object) -> bytes:
    text = json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
    )
    return text.encode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no type of JSON")


def _unsendable(body: Mapping[str, Any]) -> Iterator[str]:
    """The names of what cannot be sent; of a list, first of which item, and what in it."""
    for name, value in body.items():
        if _is_json(value):
            continue
        for index, one in enumerate(value if isinstance(value, list) else ()):
            for inner, part in one.items() if isinstance(one, Mapping) else ():
                if not _is_json(part):
                    yield f"{name}[{index}].{inner}"
        yield str(name)


def _is_json(value: object) -> bool:
    try:
        _json(value)
    except _NO_JSON:
        return False
    return True


def _conforms(value: object, shape: Any) -> bool:  # noqa: ANN401  # a TypedDict, or a page of one
    """Whether it is an object with every field of the type; others it may have besides."""
    kind = get_origin(shape) or shape
    if not isinstance(value, dict) or not kind.__required_keys__ <= value.keys():
        return False
    return kind is shape or _is_page(value, *get_args(shape))


def _is_page(value: dict[str, Any], item: Any) -> bool:  # noqa: ANN401  # a TypedDict
    data, cursor = value["data"], value["next_cursor"]
    return (
        isinstance(data, list)
        and (cursor is None or isinstance(cursor, str))
        and all(_conforms(one, item) for one in data)
    )
