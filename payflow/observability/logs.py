"""Log lines: JSON in production, for people elsewhere; the standard library's come along."""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, Any

from loguru import logger
from pydantic import SecretStr

from payflow.observability.context import facts
from payflow.observability.masking import Mask
from payflow.settings import Environment, Settings

if TYPE_CHECKING:
    from loguru import Message, Record

# These say at INFO what our own lines say better; at DEBUG the driver prints whole documents.
_QUIET = ("uvicorn.access", "httpx", "httpcore", "temporalio", "pymongo", "opentelemetry")
# What the Temporal SDK attaches to its records, and what we call it.
_SDK_FACTS = ("temporal_workflow", "temporal_activity")
_KEY = re.compile(r"[\w+/=-]{32,}")  # a key inside of a set of keys

Trace = Callable[[], dict[str, str]]


class _Intercept(logging.Handler):
    """Hands the standard library's records to loguru, with the caller's place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno

        def place(line: "Record") -> None:
            line["name"] = record.name  # else it would be this module's

        told = logger.opt(exception=record.exc_info).patch(place).bind(**_sdk_facts(record))
        told.log(level, record.getMessage())


class _Lines:
    """Writes a record as one masked line."""

    def __init__(self, *, role: str, mask: Mask, as_json: bool, trace: Trace) -> None:
        self._role = role
        self._mask = mask
        self._as_json = as_json
        self._trace = trace

    def write(self, message: "Message") -> None:
        """Write it to stderr as it is now (a test may have replaced it)."""
        record = message.record
        said = {"role": self._role, **facts(), **self._trace(), **record["extra"]}
        bound = self._mask.fields(said)
        line = self._json(record, bound) if self._as_json else self._human(record, bound)
        sys.stderr.write(f"{line}\n")

    def _json(self, record: "Record", bound: dict[str, Any]) -> str:
        at = record["time"].astimezone(UTC).isoformat(timespec="milliseconds")
        line = {
            "time": at.replace("+00:00", "Z"),
            "level": record["level"].name,
            "message": self._mask.text(record["message"]),
            "logger": record["name"],
            **bound,
        }
        if (raised := _traceback(record)) is not None:
            line["exception"] = self._mask.text(raised)
        return json.dumps(line, ensure_ascii=False, default=str)

    def _human(self, record: "Record", bound: dict[str, Any]) -> str:
        about = " ".join(f"{name}={value}" for name, value in bound.items())
        message = self._mask.text(record["message"])
        line = f"{record['time']:HH:mm:ss.SSS} {record['level'].name: <8} {message}  [{about}]"
        raised = _traceback(record)
        return line if raised is None else f"{line}\n{self._mask.text(raised).rstrip()}"


def configure_logs(settings: Settings, role: str, trace: Trace = dict) -> None:
    """Send every line of this process to stderr; ``role`` is in each of them.

    Locals are never printed with a traceback (loguru's ``diagnose``): they may hold secrets.

    Args:
        settings: level, and whether lines are JSON (production) or for people.
        role: what this process is.
        trace: the ``trace_id`` and ``span_id`` of the work under way, when there is one.
    """
    production = settings.env is Environment.PRODUCTION
    lines = _Lines(role=role, mask=Mask(_secrets(settings)), as_json=production, trace=trace)
    logger.remove()
    logger.add(
        lines.write,
        level=settings.log_level.upper(),
        format=lambda _: "",  # the lines are ours, tracebacks included
        backtrace=False,
        diagnose=False,
    )
    logging.basicConfig(handlers=[_Intercept()], level=logging.INFO, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # it would print the words of every step's error; ours names its kind
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)


def _secrets(settings: Settings) -> list[str]:
    values = [getattr(settings, name) for name in type(settings).model_fields]
    whole = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    return whole + [part for text in whole for part in _KEY.findall(text)]


def _sdk_facts(record: logging.LogRecord) -> dict[str, str]:
    found = {}
    for name in _SDK_FACTS:
        told = getattr(record, name, None)
        if isinstance(told, dict) and (workflow_id := told.get("workflow_id")):
            found["workflow_id"] = str(workflow_id)
            kind, _, transfer_id = str(workflow_id).partition("/")
            if kind == "transfer":
                found["transfer_id"] = transfer_id
    return found


def _traceback(record: "Record") -> str | None:
    raised = record["exception"]
    if raised is None or raised.type is None:
        return None
    return "".join(traceback.format_exception(raised.type, raised.value, raised.traceback))
