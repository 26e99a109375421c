"""Readiness: only MongoDB is needed to accept requests, and nobody is waited for long."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api import health
from payflow.domain.ports import DependencyBlocked


class FakeProbe:
    """A dependency that answers, refuses or hangs."""

    def __init__(self, name: str, state: str) -> None:
        self.name = name
        self._state = state

    async def check(self) -> None:
        if self._state == "refuses":
            raise ConnectionError(self.name)
        if self._state == "blocked":
            raise DependencyBlocked
        if self._state == "hangs":
            await asyncio.sleep(60)


async def ask(path: str, **states: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(health.router)
    names = ("mongo", "redis", "temporal")
    probes = [FakeProbe(name, states.get(name, "answers")) for name in names]
    app.state.parts = SimpleNamespace(probes=probes)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example.com") as http:
        return await http.get(path)


def said(answer: httpx.Response) -> dict[str, str]:
    found: dict[str, Any] = answer.json()["dependencies"]
    assert all(dependency["latency_ms"] >= 0 for dependency in found.values())
    return {name: dependency["status"] for name, dependency in found.items()}


async def test_everything_answers() -> None:
    answer = await ask("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert said(answer) == {"mongo": "ok", "redis": "ok", "temporal": "ok"}


@pytest.mark.parametrize("name", ["redis", "temporal"])
async def test_money_is_accepted_without(name: str) -> None:
    answer = await ask("/health/ready", **{name: "refuses"})
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert said(answer) == {"mongo": "ok", "redis": "ok", "temporal": "ok"} | {name: "degraded"}


@pytest.mark.parametrize("state", ["refuses", "hangs"])
async def test_nothing_is_accepted_without_mongo(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(health, "PROBE_WITHIN_S", 0.1)
    answer = await ask("/health/ready", mongo=state, redis="refuses")
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert said(answer) == {"mongo": "down", "redis": "degraded", "temporal": "ok"}
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("path", ["/health", "/health/live"])
async def test_a_process_lives_whatever_is_down(path: str) -> None:
    answer = await ask(path, mongo="hangs", redis="hangs", temporal="hangs")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_blocked_process_accepts_nothing_and_says_so() -> None:
    answer = await ask("/health/ready", mongo="blocked")
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert said(answer) == {"mongo": "blocked", "redis": "ok", "temporal": "ok"}
