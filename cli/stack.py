"""The embedded stack: real servers and PayFlow itself, as child processes on loopback.

Usable from a program as from ``payflow up``: ``async with EmbeddedStack(options) as stack``
starts everything and stops everything, and leaves signals to its caller.
"""

import signal
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from cli import servers
from cli.apps import Layout, app_specs
from cli.binaries import find_binaries, require_posix
from cli.credentials import Credentials, credentials_of
from cli.errors import CliError
from cli.folder import DataFolder
from cli.ports import LOOPBACK, PortBook
from cli.supervisor import Quiet, Reporter, Supervisor

SERVERS = ("mongod", "redis", "temporal")
TEMPORAL_PORTS = ("temporal", "temporal-ui", "temporal-http", "temporal-metrics")
PORT_NAMES = ("api", "mongod", "redis", *TEMPORAL_PORTS)
SWAP_API_PORT = "set PAYFLOW_API_PORT to a free one, or to 0 to have one picked"
SWAP_PORT = "name a free one, or none to have one picked"


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What a stack is made of; ``ports`` are asked for by name, the rest are picked.

    ``env`` is handed to PayFlow's own processes on top of the environment; it may lead them to
    the servers by another way.
    """

    data_dir: Path
    ports: Mapping[str, int] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    namespace: str = "default"
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a running stack answer."""

    temporal_address: str
    temporal_ui_url: str
    mongo_url: str = field(repr=False)  # with the passwords
    redis_url: str = field(repr=False)
    api_urls: tuple[str, ...] = ()

    @property
    def api_url(self) -> str:
        """The first API, on the port that was asked for."""
        return self.api_urls[0]


class EmbeddedStack:
    """One stack on one data folder, from ``start`` to ``stop``."""

    def __init__(self, options: StackOptions, reporter: Reporter | None = None) -> None:
        require_posix()
        self._options = options
        self._reporter = reporter or Quiet()
        self._folder = DataFolder(options.data_dir)
        self._supervisor = Supervisor(self._folder, self._reporter, self._children_changed)
        self._held = ExitStack()
        self._addresses: Addresses | None = None
        self._is_published = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def addresses(self) -> Addresses:
        """Where the parts answer; known once the stack has started."""
        if self._addresses is None:
            raise RuntimeError("the stack has not been started")
        return self._addresses

    @property
    def data_dir(self) -> Path:
        """The absolute data folder."""
        return self._folder.root

    @property
    def metrics_urls(self) -> dict[str, str]:
        """Where each of PayFlow's own processes shows its metrics, by the child's name."""
        return {
            name: f"http://{LOOPBACK}:{child.spec.metrics_port}/metrics"
            for name, child in self._supervisor.children.items()
            if child.spec.metrics_port is not None
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The children's names: the three servers', ``serve`` or those of a split layout."""
        return tuple(self._supervisor.children)

    async def start(self) -> None:
        """Start everything; return when everything answers. A failed start leaves nothing behind.

        Raises:
            CliError: a program, a port or the folder is not to be had, or a child did not come up.
        """
        try:
            await self._start()
        except OSError as error:
            await self._leave_nothing_behind()
            raise CliError(f"The stack cannot be started: {error}.") from None
        except BaseException:
            await self._leave_nothing_behind()
            raise

    async def _leave_nothing_behind(self) -> None:
        if self.names:
            self._reporter.say("The stack did not come up; stopping what was started.")
        await self.stop()

    async def stop(self) -> None:
        """Stop everything: PayFlow first, so that it can drain; then what it leans on."""
        self._is_published = False
        apps = [name for name in self.names if name not in SERVERS]
        await self._supervisor.stop((apps, SERVERS))
        if self._addresses is not None:
            self._folder.withdraw()
        self._held.close()

    def hurry(self) -> None:
        """Kill what a stop still waits for."""
        self._supervisor.hurry()

    def pid(self, name: str) -> int:
        """The child's present process id."""
        pid = self._supervisor.children[name].pid
        if pid is None:
            raise RuntimeError(f"{name} has not been started")
        return pid

    def kill(self, name: str, signal_number: int = signal.SIGKILL) -> int:
        """Signal a child and return the pid it had; it is started again when that ends it."""
        pid = self.pid(name)
        self._supervisor.children[name].send(signal_number)
        return pid

    async def wait_restarted(self, name: str, old_pid: int) -> int:
        """Wait until the child runs and is ready under another pid, which is returned."""
        child = self._supervisor.children[name]

        async def is_another() -> bool:
            return child.ready.is_set() and child.pid != old_pid

        await servers.until(is_another)
        return self.pid(name)

    async def take_down(self, name: str) -> None:
        """Stop one child in good order and leave it down until ``bring_up``."""
        await self._supervisor.take_down(name)

    async def bring_up(self, name: str) -> None:
        """Start a child that was taken down, on the same port; return when it is ready."""
        await self._supervisor.bring_up(name)

    async def _start(self) -> None:
        options, folder = self._options, self._folder
        binaries = find_binaries()
        folder.create()
        self._held.enter_context(folder.held())
        await folder.clear_leftovers()
        ports = PortBook(folder.ports, options.ports)
        for name in options.ports:
            ports.require_free(name, SWAP_API_PORT if name == "api" else SWAP_PORT)
        mongo, cache = ports.claim("mongod"), ports.claim("redis")
        temporal = {name: ports.claim(name) for name in TEMPORAL_PORTS}
        self._addresses = _addresses(credentials_of(folder), mongo, cache, temporal)
        apps = app_specs(options.layout, folder, ports, self._app_environment())
        urls = tuple(f"http://{LOOPBACK}:{app.port}" for app in apps if app.port is not None)
        self._addresses = replace(self._addresses, api_urls=urls)
        await self._supervisor.start(
            [
                servers.mongod(binaries, folder, mongo),
                servers.redis(binaries, folder, cache),
                servers.temporal(binaries, folder, temporal, options.namespace),
            ]
        )
        await self._supervisor.start(apps)
        self._is_published = True
        self._children_changed()

    def _app_environment(self) -> dict[str, str]:
        where = self.addresses
        return {
            "PAYFLOW_DATA_DIR": str(self._folder.root),
            "PAYFLOW_MONGO_URL": where.mongo_url,
            "PAYFLOW_REDIS_URL": where.redis_url,
            "PAYFLOW_TEMPORAL_ADDRESS": where.temporal_address,
            "PAYFLOW_TEMPORAL_NAMESPACE": self._options.namespace,
            **self._options.env,
        }

    def _children_changed(self) -> None:
        if self._is_published:
            self._folder.publish(self._facts())

    def _facts(self) -> dict[str, Any]:
        where, children = self.addresses, list(self._supervisor.children.values())
        specs = [(child.spec.role, child.pid, child.spec.port) for child in children]
        return {
            "api_url": where.api_url,
            "temporal_address": where.temporal_address,
            "temporal_ui_url": where.temporal_ui_url,
            "mongo_url": where.mongo_url,
            "redis_url": where.redis_url,
            "pids": {role: _pid_of(role, specs) for role in ("api", "worker", "relay", *SERVERS)},
            "api_urls": list(where.api_urls),
            "metrics_urls": list(self.metrics_urls.values()),
            "children": [{"role": role, "pid": pid, "port": port} for role, pid, port in specs],
        }


def _pid_of(role: str, children: list[tuple[str, int | None, int | None]]) -> int | None:
    """The first child in that role; one that serves plays all of PayFlow's own."""
    stand_in = role if role in SERVERS else "serve"
    return next(pid for its_role, pid, _ in children if its_role in (role, stand_in))


def _addresses(
    credentials: Credentials, mongo: int, cache: int, temporal: dict[str, int]
) -> Addresses:
    return Addresses(
        temporal_address=f"{LOOPBACK}:{temporal['temporal']}",
        temporal_ui_url=f"http://{credentials.temporal_ui_host}:{temporal['temporal-ui']}",
        mongo_url=credentials.mongo_url(f"{LOOPBACK}:{mongo}", f"replicaSet={servers.REPLICA_SET}"),
        redis_url=credentials.redis_url(f"{LOOPBACK}:{cache}"),
    )
