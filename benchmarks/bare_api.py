"""The least a FastAPI process can do to answer with a transfer: one find, one JSON answer."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse

from api.server import BACKLOG, KEEP_ALIVE_S
from payflow.settings import Settings
from payflow.storage.connection import open_client

PORT = "BENCH_BARE_PORT"


def bare_app(settings: Settings) -> FastAPI:
    """One route: no auth, no validation, no middleware."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with open_client(settings) as client:
            app.state.transfers = client[settings.mongo_database]["transfers"]
            yield

    app = FastAPI(lifespan=life, openapi_url=None)

    @app.get("/v1/transfers/{transfer_id}")
    async def read(transfer_id: str) -> JSONResponse:
        """The document as it is kept."""
        found = await app.state.transfers.find_one({"_id": transfer_id})
        return JSONResponse({name: _plain(value) for name, value in found.items()})

    return app


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def main() -> None:
    """Serve on the port the run chose, as ``api.server`` would."""
    uvicorn.run(
        bare_app(Settings()),
        host="127.0.0.1",
        port=int(os.environ[PORT]),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


if __name__ == "__main__":
    main()
