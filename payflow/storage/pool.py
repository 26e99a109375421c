"""Connections to MongoDB that outlive an election."""

from typing import Any

from pymongo.asynchronous.pool import AsyncConnection, Pool


class LastingPool(Pool):
    """Connections that know what their server can do, not what it was doing as they were opened.

    The driver takes a server that was neither primary nor secondary at that moment, as any is
    amid an election, for one without sessions. It never asks again: once that server leads, every
    transaction and every change stream on the connection is refused, for as long as it is open.
    """

    async def connect(self, handler: Any = None) -> AsyncConnection:  # noqa: ANN401 - the driver's
        """A new connection; a server that says how long its sessions live has sessions."""
        opened = await super().connect(handler)
        # a monitor's connection has not greeted its server yet
        if getattr(opened, "logical_session_timeout_minutes", None) is not None:
            opened.supports_sessions = True
        return opened
