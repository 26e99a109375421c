"""What the client's types say of an answer is what the API documents, field by field."""

from typing import Any, get_origin, get_type_hints

import pytest
from pydantic import BaseModel

from api.v1 import answers, proof, receipts
from payflow.client import answers as received


def pairs() -> list[tuple[str, type[BaseModel], Any]]:
    """Every answer both sides have, by its name: ``WalletAnswer`` and ``Wallet``."""
    models = {
        name.removesuffix("Answer"): kind
        for served in (answers, proof, receipts)
        for name, kind in vars(served).items()
        if isinstance(kind, type) and issubclass(kind, BaseModel) and name.endswith("Answer")
    }
    return [
        (name, kind, getattr(received, name))
        for name, kind in models.items()
        if hasattr(received, name)
    ]


def test_most_answers_have_a_type_on_both_sides() -> None:
    names = {name for name, _, _ in pairs()}

    assert {
        "User",
        "Wallet",
        "Tokens",
        "Registration",
        "Transfer",
        "Batch",
        "Receipt",
        "Inclusion",
    } <= names


@pytest.mark.parametrize(("name", "model", "typed"), pairs(), ids=lambda it: str(it)[:20])
def test_both_sides_name_the_same_fields(name: str, model: type[BaseModel], typed: Any) -> None:
    documented = {field.alias or key for key, field in model.model_fields.items()}

    assert set(get_type_hints(typed)) == documented, name


@pytest.mark.parametrize(("name", "model", "typed"), pairs(), ids=lambda it: str(it)[:20])
def test_what_may_be_missing_may_be_so_on_both_sides(
    name: str, model: type[BaseModel], typed: Any
) -> None:
    hints = get_type_hints(typed)
    for key, field in model.model_fields.items():
        hint = hints[field.alias or key]
        empty = get_origin(hint) is not None and type(None) in getattr(hint, "__args__", ())
        allowed = type(None) in getattr(field.annotation, "__args__", ())
        assert empty == (hint is not Any and allowed), f"{name}.{key}"
