"""Whether this process lives, and whether what it depends on answers."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, PlainTextResponse, Response

from api.parts import Ask
from api.scrapers import Scraper
from payflow.domain.ports import Probe
from payflow.observability.dependencies import examine
from payflow.observability.metrics_door import CONTENT_TYPE

PROBE_WITHIN_S = 2.0  # what has not answered by then is down for whoever asks

# Without MongoDB nothing is accepted; without Redis or Temporal money is, and moves later.
_REQUIRED = frozenset({"mongo"})

_READY: dict[str, Any] = {
    "status": "ok",
    "dependencies": {
        "mongo": {"status": "ok", "latency_ms": 0.8},
        "redis": {"status": "ok", "latency_ms": 0.3},
        "temporal": {"status": "ok", "latency_ms": 1.9},
    },
}

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"]


class Dependency(BaseModel):
    """One thing the process depends on."""

    status: Literal["ok", "degraded", "down", "blocked"]
    latency_ms: float


class Readiness(BaseModel):
    """Whether requests can be served, and what each dependency says."""

    model_config = ConfigDict(json_schema_extra={"examples": [_READY]})

    status: Literal["ok", "degraded", "down"]
    dependencies: dict[str, Dependency]


@router.get(
    "/health",
    response_model=Alive,
    summary="Answer that the process lives",
    operation_id="health",
)
@router.get("/health/live", response_model=Alive, summary="Liveness")
async def live() -> JSONResponse:
    """The process answers; nothing else is asked."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/health/ready",
    response_model=Readiness,
    summary="Readiness",
    responses={503: {"model": Readiness, "description": "MongoDB does not answer."}},
)
async def ready(ask: Ask) -> JSONResponse:
    """Ask every dependency; `degraded` ones are not needed to accept money requests.

    `blocked` is one that answers other processes and not this one, which ends within 30 s.
    """
    found = dict(await asyncio.gather(*(_examine(probe) for probe in ask.probes)))
    statuses = {dependency["status"] for dependency in found.values()}
    is_down = not statuses.isdisjoint({"down", "blocked"})
    worst = "down" if is_down else "degraded" if "degraded" in statuses else "ok"
    headers = {"Retry-After": "1"} if is_down else None
    return JSONResponse({"status": worst, "dependencies": found}, 503 if is_down else 200, headers)


async def _examine(probe: Probe) -> tuple[str, dict[str, Any]]:
    found = await examine(probe, PROBE_WITHIN_S)
    missing = "down" if found.name in _REQUIRED else "degraded"
    if found.is_blocked:
        missing = "blocked"
    latency_ms = round(found.latency_s * 1000, 1)
    return found.name, {"status": "ok" if found.is_up else missing, "latency_ms": latency_ms}


@router.get("/metrics", summary="Metrics", response_class=PlainTextResponse)
async def metrics(scraper: Scraper, ask: Ask) -> Response:  # noqa: ARG001  # who may call
    """What this process observed, in Prometheus' text format."""
    return Response(await ask.observer.page(), media_type=CONTENT_TYPE)


def paths_of(router: APIRouter) -> frozenset[str]:
    """The addresses of a router whose paths have no parameters."""
    return frozenset(route.path for route in router.routes if isinstance(route, APIRoute))


PROBES = paths_of(router)  # answered whatever is under way; not counted, traced or limited
