"""Runs the HTTP door until it is told to stop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI
from loguru import logger

from api.parts import Parts
from api.protocol import BoundedConnection, Connections
from api.security_headers import SecurityHeaders
from payflow.settings import Settings

DRAIN_S = 10  # an answer that waits for a terminal transfer may be cut; the transfer goes on
KEEP_ALIVE_S = 30
BACKLOG = 2_048


class _Server(uvicorn.Server):
    """A server whose process, not itself, listens to signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield


async def serve_api(app: FastAPI, settings: Settings, stop: asyncio.Event) -> None:
    """Serve the app on the configured address until ``stop`` is set, then drain."""
    logger.info(
        "proxies whose X-Forwarded-For is believed: {}",
        settings.trusted_proxies or "none; limits count each connection's own address",
    )
    connections = Connections(SecurityHeaders(settings), settings.proxy_networks)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            loop="none",
            http=partial(BoundedConnection, connections=connections),  # type: ignore[arg-type]  # it is only called
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nobody's word for another address is taken
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    parts: Parts = app.state.parts
    parts.streams.close()  # they would never end by themselves
    server.should_exit = True
    await serving
