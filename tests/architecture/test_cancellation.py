"""No cancellation of ours reaches MongoDB's driver (docs/decisions/0023).

Every port is behind ``Calls`` (tests/contracts/test_uncancelled_ports.py), so code that has ports
only may limit and cancel what it likes. These tests look where a driver can be reached without
one. They find a new time limit or cancelled task, whose author says here why no driver is behind
it, and a client that is opened where nothing keeps cancellations away.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.test_house import ROOT, released

STORES = "calls stores that are behind `Calls`"
NO_STORE = "calls no store"
TIMER = "a timer's handle"
COMMAND = "runs its work by `Calls`"

# How many time limits and cancellations a file has, and why none of them reaches the driver.
ALLOWED = {
    "cli/child.py": (2, "what is cancelled is `finished`"),
    "cli/demo_bank.py": (1, NO_STORE),
    "cli/demo_webhook.py": (1, NO_STORE),
    "cli/doctor/rows.py": (1, COMMAND),
    "cli/observed.py": (1, NO_STORE),
    "cli/operators.py": (1, COMMAND),
    "cli/processes.py": (3, STORES),
    "cli/replay.py": (1, NO_STORE),
    "cli/servers.py": (1, NO_STORE),
    "cli/standstill.py": (1, TIMER),
    "cli/supervisor.py": (1, "what is cancelled is `finished`"),
    "cli/timeline.py": (1, COMMAND),
    "cli/up.py": (1, "what is cancelled is `finished`"),
    "cli/webhooks.py": (1, COMMAND),
    "payflow/storage/attempt_log.py": (2, "writes by `Calls`"),
    "payflow/storage/blocked_reads.py": (1, "reads by `Calls`"),
    "payflow/storage/bell.py": (4, "waits for Redis and for an event"),
    "payflow/storage/commands.py": (1, "the driver's own word to end a connection"),
    "payflow/storage/pool.py": (4, "the driver's own waits"),
    "payflow/storage/posting.py": (1, "waits for a shielded answer"),
    "payflow/storage/quotas.py": (1, TIMER),
    "workers/followers.py": (1, NO_STORE),
    "workers/relay.py": (1, STORES),
}
# Where a driver can be reached; all other code has ports.
NEAR_THE_DRIVER = ("cli/", "payflow/proof/", "payflow/storage/", "workers/")

# Where a client is opened, and what keeps cancellations away from it.
OPENED = {
    "cli/audit.py": "nothing in the command is cancelled",
    "cli/demo.py": "nothing in the command is cancelled",
    "cli/doctor/examination.py": COMMAND,
    "cli/proof.py": "nothing in the command is cancelled",
    "cli/servers.py": "`finished`",
    "payflow/storage/connection.py": "opens it",
    "payflow/storage/factory.py": "every store is behind `Calls`",
    "workers/maintenance.py": "the prover is behind `Calls`",
}

LIMITS = {"wait_for", "timeout", "timeout_at"}


def test_a_time_limit_or_a_cancelled_task_has_no_driver_behind_it() -> None:
    found = {name: len(lines) for name, lines in _giving_up().items()}
    allowed = {name: number for name, (number, _) in ALLOWED.items()}

    assert found == allowed, _giving_up()


def test_a_client_is_opened_where_cancellations_are_kept_away() -> None:
    found = {
        name
        for name, tree in _trees()
        for call in _calls(tree)
        if _called(call) in {"open_client", "AsyncMongoClient"}
    }

    assert found == OPENED.keys()


def _giving_up() -> dict[str, list[int]]:
    """The lines of each file that limit a wait or cancel something."""
    lines: dict[str, list[int]] = {}
    for name, tree in _trees():
        if not name.startswith(NEAR_THE_DRIVER):
            continue
        for call in _calls(tree):
            is_limit = _called(call) in LIMITS and _is_of_asyncio(call)
            is_cancel = _called(call) == "cancel" and not (call.args or call.keywords)
            if is_limit or is_cancel:
                lines.setdefault(name, []).append(call.lineno)
    return lines


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for file in released():
        name = str(Path(file).relative_to(ROOT))
        if not name.startswith("benchmarks/"):
            yield name, ast.parse(file.read_text(), filename=name)


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def _called(call: ast.Call) -> str:
    """The last part of what is called; of a generic class the class."""
    function = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_of_asyncio(call: ast.Call) -> bool:
    function = call.func
    return isinstance(function, ast.Name) or (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "asyncio"
    )
