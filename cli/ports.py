"""Which loopback port each part listens on: chosen once, kept in the data folder, reused."""

import errno
import json
import secrets
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

from cli.errors import CliError
from cli.files import write_whole

LOOPBACK = "127.0.0.1"
# For clients of plain HTTP: reading all authorities' certificates costs each of them 50 ms of CPU.
TRUST_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Below the range from which systems take the ports of outgoing connections: a client that retries
# a dead server there can be given the server's own port and sit on it.
FIRST, LAST = 20_000, 32_767
TRIES = 200


class PortTaken(CliError):
    """A port that was asked for by number is not free."""

    def __init__(self, name: str, port: int, remedy: str) -> None:
        super().__init__(f"Port {port} for {name} is taken by another program: {remedy}.")


class PortBook:
    """The ports of one data folder, by the part's name."""

    def __init__(self, path: Path, fixed: Mapping[str, int]) -> None:
        self._path = path
        self._fixed = dict(fixed)
        self._ports = _read(path)
        self._claimed: set[int] = set()

    def claim(self, name: str) -> int:
        """The port for this part: the one asked for, else the last one, else a free one.

        Raises:
            PortTaken: the one asked for is in use.
        """
        port = self._fixed.get(name) or self._remembered(name) or self._free()
        self._ports[name] = port
        self._claimed.add(port)
        write_whole(self._path, json.dumps(self._ports, indent=1, sort_keys=True))
        return port

    def require_free(self, name: str, remedy: str) -> None:
        """Refuse a port that was asked for by number and is in use."""
        port = self._fixed.get(name)
        if port is not None and not is_free(port):
            raise PortTaken(name, port, remedy)

    def _remembered(self, name: str) -> int | None:
        port = self._ports.get(name)
        return port if port is not None and self._is_open_to_us(port) else None

    def _free(self) -> int:
        for _ in range(TRIES):
            port = FIRST + secrets.randbelow(LAST - FIRST + 1)
            if port not in self._ports.values() and self._is_open_to_us(port):
                return port
        raise CliError(f"No free port was found between {FIRST} and {LAST}.")

    def _is_open_to_us(self, port: int) -> bool:
        return port not in self._claimed and is_free(port)


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger after a stop do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _read(path: Path) -> dict[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}  # lost or torn: the parts get new ports, and say so in stack.json
