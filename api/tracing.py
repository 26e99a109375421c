"""The span of a request: FastAPI makes it itself, where there is somewhere to send it."""

from collections.abc import MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig

from api.health import PROBES
from payflow.settings import Settings


def traced(settings: Settings) -> TelemetryConfig:
    """One span for each request but a probe's; nothing of its body, nothing else of FastAPI's."""
    return {
        "tracing": bool(settings.otlp_endpoint),
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": _is_probe,
    }


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in PROBES
