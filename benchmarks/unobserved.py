"""PayFlow with nobody watching: the same processes, whose observer does nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loguru import logger

from cli import processes
from cli.main import app
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.settings import Settings


@asynccontextmanager
async def unobserved(settings: Settings, role: str) -> AsyncIterator[Observer]:  # noqa: ARG001
    """No lines, no metrics, no traces."""
    logger.remove()
    yield UNOBSERVED


if __name__ == "__main__":
    vars(processes)["observed"] = unobserved
    app()
