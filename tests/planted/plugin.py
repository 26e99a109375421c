"""Loaded by ``pytest -p``: plants the bug in the test process."""

from tests.planted.planting import plant_what_is_asked_for


def pytest_configure() -> None:
    plant_what_is_asked_for()
