"""Request bodies as JSON that has one meaning: what ``parse_json`` refuses is a 400."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from payflow.domain.json_text import parse_json

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRequest(Request):
    """A request whose body is parsed once, by our parser."""

    async def json(self) -> Any:  # noqa: ANN401  # any JSON value
        """The value of the body.

        Raises:
            JsonInvalid: it has none, or more than one.
        """
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        return self._json


class JsonRoute(APIRoute):
    """A call with a JSON body; the framework and the idempotency hash read the same value."""

    def get_route_handler(self) -> _Handler:
        """The framework's handler over our request."""
        handle = super().get_route_handler()

        async def with_our_parser(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return with_our_parser
