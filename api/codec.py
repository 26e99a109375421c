"""Temporal's remote codec: lets the Temporal UI show an operator what is stored encrypted.

Mounted only where payloads are encrypted. The protocol is the one of the UI and of
``temporal --codec-endpoint``: a JSON form of ``temporal.api.common.v1.Payloads``, both ways.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from temporalio.api.common.v1 import Payload, Payloads

from api.dependencies import Operator
from api.json_body import JsonRoute
from api.problems import BODY, OPERATOR, documented
from temporal.codec import AesGcmCodec, PayloadUnreadable

PREFIX = "/codec"
MAX_PAYLOADS = 1_000  # a page of the UI's history asks for some dozen
_SAYS: JsonDict = {
    "payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImhlbGxvIg=="}]
}

Coding = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


class PayloadsBody(BaseModel):
    """Payloads in protobuf's JSON: bytes are base64."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SAYS]})

    payloads: list[dict[str, Any]] = Field(max_length=MAX_PAYLOADS)


def codec_router(codec: AesGcmCodec) -> APIRouter:
    """The two calls over this codec."""
    router = APIRouter(prefix=PREFIX, tags=["codec"], route_class=JsonRoute)
    responses = documented(*OPERATOR, *BODY, "payload_unreadable")

    @router.post(
        "/decode", response_model=PayloadsBody, summary="Decrypt payloads", responses=responses
    )
    async def decode(body: PayloadsBody, operator: Operator) -> JSONResponse:  # noqa: ARG001
        """What Temporal stores, readable. Operators only."""
        return await _coded(body, codec.decode)

    @router.post(
        "/encode", response_model=PayloadsBody, summary="Encrypt payloads", responses=responses
    )
    async def encode(body: PayloadsBody, operator: Operator) -> JSONResponse:  # noqa: ARG001
        """As Temporal is to store it, for what an operator sends from the UI. Operators only."""
        return await _coded(body, codec.encode)

    return router


class CodecOrigin:
    """Lets pages of one origin, the Temporal UI's, call the codec; nothing else is opened."""

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=[origin],
            allow_methods=["POST"],
            allow_headers=["Authorization", "Content-Type", "X-Namespace"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind."""
        to_codec = scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/")
        await (self._open if to_codec else self._app)(scope, receive, send)


async def _coded(body: PayloadsBody, code: Coding) -> JSONResponse:
    try:
        asked = ParseDict({"payloads": body.payloads}, Payloads())
    except ParseError as error:
        raise PayloadUnreadable("This is no list of payloads.") from error
    return JSONResponse(MessageToDict(Payloads(payloads=await code(asked.payloads))))
