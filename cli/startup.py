"""Why a process cannot start, in one sentence that says what to do, instead of a traceback."""

import errno
import socket
from collections.abc import Iterator

from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidName, OperationFailure

from cli.errors import UNREACHABLE, CliError, FolderUnusable
from payflow.auth.keys import KeysUnusable
from payflow.settings import Settings
from payflow.storage.connection import MONGO_REFUSES, IndexesDiffer
from payflow.webhooks.sealing import SealUnusable
from temporal.search_attributes import SearchAttributesDiffer


def require_address(settings: Settings) -> None:
    """Refuse an address that the API cannot listen on.

    Raises:
        CliError: it is taken, or not of this machine.
    """
    host, port = settings.api_host, settings.api_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                # As servers do: connections that linger after a stop do not make a port taken.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CliError(
                f"Port {port} on {host} is taken by another program: "
                "set PAYFLOW_API_PORT to a free one, or to 0 to have one picked."
            ) from None
        raise CliError(
            f"The API cannot listen on {host}, port {port} ({error.strerror}): "
            "set PAYFLOW_API_HOST and PAYFLOW_API_PORT to an address of this machine."
        ) from None


def reason(error: BaseException, settings: Settings) -> CliError | None:
    """What is wrong, when it is a known thing; None for what only a traceback explains."""
    reasons = (_reason(one, settings) for one in _leaves(error))
    return next((found for found in reasons if found is not None), None)


def _reason(error: BaseException, settings: Settings) -> CliError | None:
    found: CliError | None = None
    match error:
        case CliError():
            found = error
        case IndexesDiffer() | KeysUnusable() | SealUnusable() | SearchAttributesDiffer():
            found = CliError(str(error))
        case OperationFailure() if error.code in MONGO_REFUSES:
            found = CliError(
                f"MongoDB at {_hosts(settings.mongo_url)} refuses the user or the password of "
                "PAYFLOW_MONGO_URL, or grants that user too little."
            )
        case ConnectionFailure():
            found = CliError(
                f"MongoDB at {_hosts(settings.mongo_url)} does not answer: "
                "start it, or set PAYFLOW_MONGO_URL to where it is.",
                UNREACHABLE,
            )
        case ConfigurationError() | InvalidName():
            found = CliError(
                "The driver cannot use PAYFLOW_MONGO_URL: it must be like "
                "mongodb://user:password@host:27017/?replicaSet=rs0, "
                "with special characters of the password escaped (%40 for @)."
            )
        case OSError() if error.errno in (errno.EMFILE, errno.ENFILE):
            found = CliError("Too many files are open here: raise the limit (`ulimit -n`).")
        case OSError() if error.filename and _is_inside(str(error.filename), settings):
            found = FolderUnusable(settings.data_dir.absolute(), error)
    return found


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def _hosts(url: str) -> str:
    """The servers of a connection string, without the password."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _is_inside(path: str, settings: Settings) -> bool:
    return path.startswith((str(settings.data_dir), str(settings.data_dir.absolute())))
