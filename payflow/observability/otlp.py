"""Spans over OTLP/HTTP: requests, workflows, activities, MongoDB, Redis, httpx, one trace.

The engine posts the legs of many transfers in one transaction. Its span is a child of the leg
that waited longest and has a link to every other leg's span; each of those gets a link back. So
a trace shows its own group's MongoDB commands, or leads to the trace that does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.pymongo import CommandTracer
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, Span, SpanKind, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes
from pymongo import monitoring

from payflow.settings import Settings

# A process that is killed loses no more than its last half second of spans (the default is 5 s).
EXPORT_EVERY_MS = 500
EXPORT_WITHIN_S = 5  # a collector that is away must not hold a stopping process
SPANS_WAITING = 8_192  # more than that are dropped: traces never hold up money
_TRACEPARENT = "traceparent"


class _Rooted(TraceIdRatioBased):
    """Samples traces that begin with a request.

    A MongoDB or Redis command under no span (a probe's) and each start of the sweep's, most of
    which find a workflow that runs, would be a trace of its own.
    """

    def should_sample(  # noqa: PLR0913, PLR0917  # the SDK's signature
        self,
        parent_context: context.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Drop what nobody began; else decide by the trace's id."""
        if kind is SpanKind.CLIENT:
            return SamplingResult(Decision.DROP)
        return super().should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )


class _Commands(CommandTracer):
    """Spans of MongoDB commands in a trace that is recorded; the others would cost as much."""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """A command is about to be sent."""
        if trace.get_current_span().is_recording():
            super().started(event)


class OtlpTraces:
    """The ``Traces`` of a process whose settings name a collector."""

    def __init__(self, settings: Settings, role: str) -> None:
        self._propagator = TraceContextTextMapPropagator()
        self._provider = TracerProvider(
            sampler=ParentBased(_Rooted(settings.trace_sample_ratio)),
            resource=Resource.create(
                {
                    "service.name": "payflow",
                    "service.instance.role": role,
                    "deployment.environment.name": settings.env.value,
                }
            ),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(
                    f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_WITHIN_S
                ),
                max_queue_size=SPANS_WAITING,
                schedule_delay_millis=EXPORT_EVERY_MS,
            )
        )
        self._tracer = self._provider.get_tracer("payflow")
        self._commands = _Commands(
            self._provider.get_tracer("opentelemetry.instrumentation.pymongo")
        )
        monitoring.register(self._commands)  # for good: the driver knows no other way
        self._libraries = (RedisInstrumentor(), HTTPXClientInstrumentor())
        for library in self._libraries:
            library.instrument(tracer_provider=self._provider)
        trace.set_tracer_provider(self._provider)

    @contextmanager
    def group(self, traceparents: Sequence[str | None]) -> Iterator[None]:
        """A span under the first trace, linked to the others."""
        parents = [self._context(one) for one in traceparents if one]
        if not parents:
            yield
            return
        others = [trace.get_current_span(one).get_span_context() for one in parents[1:]]
        with self._tracer.start_as_current_span(
            "post legs",
            context=parents[0],
            kind=SpanKind.INTERNAL,
            links=[Link(other) for other in others],
            attributes={"payflow.legs": len(traceparents)},
        ) as span:
            yield
        self._link_back(others, span)

    @contextmanager
    def delivery(self, traceparent: str | None) -> Iterator[None]:
        """A span under the event's; the subscriber is not told of it."""
        if traceparent is None:
            yield
            return
        with self._tracer.start_as_current_span(
            "POST webhook", context=self._context(traceparent), kind=SpanKind.CLIENT
        ):
            yield

    def traceparent(self) -> str | None:
        """Where the work under way stands, when it is recorded."""
        if not trace.get_current_span().get_span_context().trace_flags.sampled:
            return None
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(_TRACEPARENT)

    def ids(self) -> dict[str, str]:
        """The trace's and the span's id, in hexadecimal."""
        at = trace.get_current_span().get_span_context()
        if not at.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(at.trace_id),
            "span_id": trace.format_span_id(at.span_id),
        }

    def close(self) -> None:
        """Send what is left and leave the libraries as they were."""
        self._commands.is_enabled = False
        for library in self._libraries:
            with suppress(Exception):  # a library that was not there has nothing to give back
                library.uninstrument()
        self._provider.shutdown()

    def _context(self, traceparent: str) -> context.Context:
        return self._propagator.extract({_TRACEPARENT: traceparent}, context.Context())

    def _link_back(self, others: Sequence[trace.SpanContext], group: Span) -> None:
        """A short span in each other leg's trace that leads to the one with the commands."""
        for other in others:
            parent = trace.set_span_in_context(trace.NonRecordingSpan(other), context.Context())
            links = [Link(group.get_span_context())]
            self._tracer.start_span("posted in a group", parent, links=links).end()
