"""A collector of traces on loopback: takes OTLP over HTTP and keeps the spans."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cli.ports import LOOPBACK

EXPORTED_WITHIN_S = 20

Enough = Callable[[list["Exported"]], bool]


@dataclass
class Exported:
    """A span as it arrived, and the role of the process that sent it."""

    role: str
    scope: str
    span: Span

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def trace_id(self) -> str:
        return self.span.trace_id.hex()

    @property
    def span_id(self) -> str:
        return self.span.span_id.hex()

    @property
    def links(self) -> set[str]:
        """The ids of the traces it is linked to."""
        return {link.trace_id.hex() for link in self.span.links}


@dataclass
class Collector:
    """What has been exported so far."""

    port: int
    spans: list[Exported] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            of = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    Exported(of["service.instance.role"], scope.scope.name, span)
                    for span in scope.spans
                ]

    def trace(self, trace_id: str) -> list[Exported]:
        return [span for span in self.spans if span.trace_id == trace_id]

    async def until(self, trace_id: str, enough: Enough) -> list[Exported]:
        """The trace once there is enough of it."""
        async with asyncio.timeout(EXPORTED_WITHIN_S):
            while not enough(found := self.trace(trace_id)):
                await asyncio.sleep(0.1)
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        collector = Collector(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()
