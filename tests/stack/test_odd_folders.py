"""A stack keeps its data in its folder, whatever the folder is called."""

from pathlib import Path

import pytest

from cli.stack import EmbeddedStack
from tests.conftest import ALL_IN_ONE, stack_in
from tests.e2e.bank import bank_of

ODD = "my pay#flow?x=1&%20 ñandú 'q' \"z\""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ODD


def names_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


async def pay(stack: EmbeddedStack) -> str:
    async with bank_of(stack) as bank:
        alice, bob = await bank.funded(100), await bank.person("bob")
        return str((await bank.send(alice, bob, 10, wait_s=20))["status"])


async def test_all_data_of_a_stack_is_in_its_folder_and_found_again(
    folder: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        async with stack_in(folder, ALL_IN_ONE) as stack:
            assert await pay(stack) == "completed"

    assert names_in(tmp_path) == {ODD}
    assert names_in(folder) >= {"mongo", "redis", "temporal", "run"}
    assert "temporal.db" in names_in(folder / "temporal")
