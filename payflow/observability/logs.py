"""Log lines: JSON in production, for people elsewhere; the standard library's come along."""

import logging
import sys

from loguru import logger

from payflow.settings import Environment, Settings

_HUMAN = (
    "<green>{time:HH:mm:ss.SSS}</green> <level>{level: <8}</level> "
    "{extra} <cyan>{name}</cyan> <level>{message}</level>"
)
# These say at INFO what our own lines say better.
_QUIET = ("uvicorn.access", "httpx", "httpcore", "temporalio", "pymongo")


class _Intercept(logging.Handler):
    """Hands the standard library's records to loguru, with the caller's place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        logger.opt(depth=6, exception=record.exc_info).log(level, record.getMessage())


def configure_logs(settings: Settings, role: str) -> None:
    """Send every line of this process to stderr; ``role`` is in each of them.

    Locals are never printed with a traceback (``diagnose``): they may hold secrets.
    """
    production = settings.env is Environment.PRODUCTION
    logger.remove()
    logger.configure(extra={"role": role})
    logger.add(
        sys.stderr,
        level=settings.log_level.upper(),
        format="{message}" if production else _HUMAN,
        serialize=production,
        backtrace=False,
        diagnose=False,
    )
    logging.basicConfig(handlers=[_Intercept()], level=logging.INFO, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
