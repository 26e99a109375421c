"""What the driver's errors mean to the domain."""

import pytest
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from payflow.domain.errors import BooksUnavailable
from payflow.storage.transactions import WriteConflict, translate

STEPPED_DOWN = 11_602  # InterruptedDueToReplStateChange


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"),
        ServerSelectionTimeoutError("no primary"),
        ExecutionTimeout("too long", 50),
        WriteConcernError("operation was interrupted", STEPPED_DOWN),
        WriteConflict("moved on"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_database_in_trouble_is_away(error: Exception) -> None:
    assert isinstance(translate(error), BooksUnavailable)


@pytest.mark.parametrize(
    "error",
    [DuplicateKeyError("taken", 11_000), OperationFailure("not allowed", 13), ValueError("ours")],
    ids=lambda error: type(error).__name__,
)
def test_what_is_no_trouble_of_the_database_passes(error: Exception) -> None:
    assert translate(error) is error
