"""Where a process's spans go, as far as everybody may know it: nothing here imports OpenTelemetry.

The spans themselves are in ``payflow.observability.otlp``, which is imported only when
``PAYFLOW_OTLP_ENDPOINT`` says where to send them.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from payflow.settings import Settings


class Traces(Protocol):
    """One process's traces."""

    def group(self, traceparents: Sequence[str | None]) -> AbstractContextManager[None]:
        """A span around what is done for several traces at once, linked to each of them."""
        ...

    def delivery(self, traceparent: str | None) -> AbstractContextManager[None]:
        """A span around one request to a subscriber, in the trace of its event."""
        ...

    def traceparent(self) -> str | None:
        """Where the work under way stands (W3C Trace Context), when it is recorded."""
        ...

    def ids(self) -> dict[str, str]:
        """``trace_id`` and ``span_id`` of the work under way, for log lines."""
        ...

    def close(self) -> None:
        """Send what is left; wait for it no longer than a few seconds."""
        ...


class Untraced:
    """No traces: costs nothing, imports nothing."""

    def group(self, traceparents: Sequence[str | None]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing."""
        return nullcontext()

    def delivery(self, traceparent: str | None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing."""
        return nullcontext()

    def traceparent(self) -> str | None:
        """None."""
        return None

    def ids(self) -> dict[str, str]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing is left."""


def open_traces(settings: Settings, role: str) -> Traces:
    """The traces of this process; to be opened before its clients are, and closed after them."""
    if not settings.otlp_endpoint:
        return Untraced()
    from payflow.observability.otlp import OtlpTraces  # noqa: PLC0415 - not to be paid for when off

    return OtlpTraces(settings, role)
