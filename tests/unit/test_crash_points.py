"""Crash points: nobody stands there but on order, and only tests can give one."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from payflow.domain.crash_points import At, CrashPoint
from payflow.domain.ledger import Leg
from payflow.settings import Environment, Settings
from payflow.storage.crash_points import (
    CLOCKS,
    FOLDER,
    NOTES,
    ORDERS,
    AnswerLost,
    FilePoints,
    StruckAttempt,
    clock_of,
    points_of,
)
from tests.fakes import START, StandingClock

BEFORE, AFTER = CrashPoint.BEFORE_STEP, CrashPoint.BEFORE_ACKNOWLEDGEMENT
DEBIT = At(Leg.DEBIT, "trf_1")


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path
    order(tmp_path)  # whoever a failed test left standing goes on
    await asyncio.sleep(0.02)


def order(folder: Path, **said: object) -> None:
    unfinished = folder / "unfinished"
    unfinished.write_text(json.dumps({"run": "test", **said}))
    unfinished.replace(folder / ORDERS)


def notes(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / NOTES).glob("test/*.json"))


async def test_without_an_order_nobody_stands_still(folder: Path) -> None:
    async with asyncio.timeout(1):
        await FilePoints(folder).reached(BEFORE, [DEBIT])
    assert notes(folder) == []


async def test_who_is_named_stands_still_until_released_and_others_go_on(folder: Path) -> None:
    order(folder, holds=[[BEFORE, "debit", "trf_1"]])
    points = FilePoints(folder)
    held = asyncio.create_task(points.reached(BEFORE, [DEBIT]))
    await asyncio.sleep(0.02)
    async with asyncio.timeout(1):
        await points.reached(BEFORE, [At(Leg.DEBIT, "trf_2")])
        await points.reached(BEFORE, [At(Leg.CREDIT, "trf_1")])
        await points.reached(AFTER, [DEBIT])
    assert notes(folder) == ["before_step.debit.trf_1.json"]
    await asyncio.sleep(0.05)
    assert not held.done()
    order(folder)
    await asyncio.wait_for(held, 1)


async def test_who_is_held_does_not_hear_that_it_was_given_up(folder: Path) -> None:
    order(folder, holds=[[BEFORE, "debit", "*"]])
    held = asyncio.create_task(FilePoints(folder).reached(BEFORE, [DEBIT]))
    await asyncio.sleep(0.02)
    held.cancel()
    await asyncio.sleep(0.05)
    assert not held.done()
    order(folder)
    await asyncio.wait_for(held, 1)


async def test_a_second_comer_goes_on_where_one_is_enough(folder: Path) -> None:
    order(folder, holds=[[BEFORE, "debit", "trf_1"]], once=True)
    points = FilePoints(folder)
    held = asyncio.create_task(points.reached(BEFORE, [DEBIT]))
    await asyncio.sleep(0.02)
    await asyncio.wait_for(points.reached(BEFORE, [DEBIT]), 1)
    assert not held.done()
    order(folder)
    await asyncio.wait_for(held, 1)


async def test_an_attempt_can_be_struck_and_an_answer_lost(folder: Path) -> None:
    order(folder, fails=[["debit", "trf_1"]], loses=[["credit", "trf_1"]])
    points = FilePoints(folder)
    with pytest.raises(StruckAttempt):
        await points.reached(BEFORE, [DEBIT])
    with pytest.raises(AnswerLost):
        await points.reached(AFTER, [At(Leg.CREDIT, "trf_1")])
    await points.reached(AFTER, [DEBIT])
    await points.reached(BEFORE, [At(Leg.CREDIT, "trf_1")])


def test_a_story_waits_less_long_than_temporal_does(folder: Path) -> None:
    order(folder, holds=[["between_steps", "credit", "trf_1"]])
    story = threading.Thread(
        target=FilePoints(folder).hold, args=(CrashPoint.BETWEEN_STEPS, At("credit", "trf_1"))
    )
    story.start()
    story.join(0.1)
    assert story.is_alive()
    assert notes(folder) == ["between_steps.credit.trf_1.json"]
    story.join(1.9)
    assert not story.is_alive()
    assert notes(folder) == []  # who is gone says so: no fault may count on it


def test_a_clock_is_as_wrong_as_the_file_says(tmp_path: Path) -> None:
    settings = Settings(env=Environment.TEST, crash_points=True, data_dir=tmp_path)
    clock = clock_of(settings, StandingClock())
    assert clock.now() == START
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / CLOCKS).write_text(json.dumps({"1": 5, str(os.getpid()): 7_200}))
    assert clock.now() == START + timedelta(hours=2)


def test_without_the_setting_there_are_no_points_and_the_clock_is_the_machines(
    tmp_path: Path,
) -> None:
    settings, clock = Settings(env=Environment.TEST, data_dir=tmp_path), StandingClock()
    assert points_of(settings) is None
    assert clock_of(settings, clock) is clock


@pytest.mark.parametrize("env", [Environment.DEV, Environment.PRODUCTION])
def test_the_setting_is_for_tests_alone(env: Environment) -> None:
    assert Settings(env=Environment.TEST, crash_points=True).crash_points
    keys = SecretStr('{"keys": [{}]}')
    all_keys: dict[str, Any] = {"jwt_keys": keys, "webhook_keys": keys, "proof_keys": keys}
    assert not Settings(env=env, **all_keys).crash_points
    with pytest.raises(ValidationError, match="only PAYFLOW_ENV=test"):
        Settings(env=env, crash_points=True, **all_keys)
