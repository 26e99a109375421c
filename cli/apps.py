"""PayFlow's own processes: which ones a layout has, and how each shows that it is ready."""

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from cli.child import ChildSpec
from cli.folder import DataFolder
from cli.ports import LOOPBACK, TRUST_NOBODY, PortBook
from cli.servers import until

# Workers drain for 30 s; a second or five more for the rest of the process.
DRAIN_GRACE_S = 35.0
READY_FILE = "PAYFLOW_READY_FILE"
PUBLIC_URL = "PAYFLOW_PUBLIC_URL"  # links in Temporal's UI lead to the first API


@dataclass(frozen=True, slots=True)
class Layout:
    """How the work is divided: all in one process, or APIs, workers and relays apart.

    ``program`` is the module that runs them.
    """

    apis: int = 0
    workers: int = 0
    relays: int = 1
    program: str = "cli.main"

    @property
    def roles(self) -> list[tuple[str, str]]:
        """Each child's name and role; the API that clients are told of comes first."""
        if not self.apis and not self.workers:
            return [("serve", "serve")]
        apis = [(_numbered("api", one), "api") for one in range(max(1, self.apis))]
        workers = [(_numbered("worker", one), "worker") for one in range(max(1, self.workers))]
        relays = [(_numbered("relay", one), "relay") for one in range(max(1, self.relays))]
        return [*apis, *workers, *relays]


def app_specs(
    layout: Layout, folder: DataFolder, ports: PortBook, env: Mapping[str, str]
) -> list[ChildSpec]:
    """The layout's children; those with an HTTP door have a port, all have one for metrics."""
    specs = []
    public: dict[str, str] = {}
    for name, role in layout.roles:
        port = None
        if role in ("serve", "api"):
            port = ports.claim("api" if role == "serve" else name)
            public = public or {PUBLIC_URL: f"http://{LOOPBACK}:{port}"}
        metrics_port = port or ports.claim(f"{name}-metrics")
        command = (sys.executable, "-m", layout.program, role)
        specs.append(_app(name, command, (port, metrics_port), folder, {**public, **env}))
    return specs


def _app(
    name: str,
    command: tuple[str, ...],
    ports: tuple[int | None, int],
    folder: DataFolder,
    env: Mapping[str, str],
) -> ChildSpec:
    ready_file = folder.ready_file(name)
    port, metrics_port = ports
    own = {READY_FILE: str(ready_file)}
    if port is not None:
        own |= {"PAYFLOW_API_HOST": LOOPBACK, "PAYFLOW_API_PORT": str(port)}
    else:
        own |= {"PAYFLOW_METRICS_HOST": LOOPBACK, "PAYFLOW_METRICS_PORT": str(metrics_port)}

    async def wait_ready() -> None:
        async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=TRUST_NOBODY) as client:
            await until(lambda: _says_ready(folder, name))
            if port is not None:
                await until(lambda: _answers(client, port))

    return ChildSpec(
        name=name,
        role=command[-1],
        command=command,
        wait_ready=wait_ready,
        port=port,
        metrics_port=metrics_port,
        env={**env, **own},
        stop_grace_s=DRAIN_GRACE_S,
        # The servers end with us: asked politely, it would drain against nothing for 20 s.
        death_signal=signal.SIGKILL,
    )


async def _says_ready(folder: DataFolder, name: str) -> bool:
    try:
        return bool(json.loads(folder.ready_file(name).read_text()))
    except (OSError, ValueError):
        return False


async def _answers(client: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await client.get(f"http://{LOOPBACK}:{port}/health/ready")).is_success
    except httpx.HTTPError:
        return False


def _numbered(name: str, index: int) -> str:
    return name if index == 0 else f"{name}-{index + 1}"
