"""The commands that today's code gives when a history is replayed, and what to do if they differ.

``NAME.json`` is a history; ``NAME.commands`` beside it is its fingerprint: one command a line, with
what it says, as the code gave them that was released. Temporal itself compares less: it lets
another argument, another wait and another search attribute pass.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Replayer,
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.workflow import NondeterminismError

from cli.replay import told
from temporal.converter import DATA_CONVERTER
from workflows.batch import BatchWorkflow
from workflows.proof import ProofWorkflow
from workflows.transfer import TransferWorkflow
from workflows.webhook_delivery import WebhookDeliveryWorkflow

RELEASED = (TransferWorkflow, BatchWorkflow, WebhookDeliveryWorkflow, ProofWorkflow)

WHAT_TO_DO = """
Workflows that run now would {harm} at the next deployment. Either
- put the change behind `workflow.patched("…")`, so that old histories take the old way; or
- if the story is a new version, keep this one, and record the new one's histories in a folder of
  their own (VERSION in tests/workflows/record_histories.py), with code that still runs this one.
{or_}"""
OR_WRITE_ANEW = """\
- if only a wait or an argument differs, and it is meant for workflows that run now as well, remove
  {file} and write it anew: python -m tests.workflows.commands"""


@dataclass
class Replay:
    """What today's code did with a history."""

    commands: list[str]
    failure: str | None


@dataclass
class Recorder(WorkflowRunner):
    """Runs workflows as our workers do, and keeps what they command, in order."""

    commands: list[str] = field(default_factory=list)
    inner: WorkflowRunner = field(default_factory=UnsandboxedWorkflowRunner)

    def prepare_workflow(self, defn: Any) -> None:
        self.inner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(
        self, types: Sequence[type[BaseException]]
    ) -> None:
        self.inner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = self.inner.create_instance(det)
        given = instance.activate

        def recorded(act: WorkflowActivation) -> WorkflowActivationCompletion:
            completion = given(act)
            commands = completion.successful.commands
            self.commands += [said for one in commands if (said := line(one))]
            return completion

        vars(instance)["activate"] = recorded
        return instance


async def replayed(path: Path, *workflows: type) -> Replay:
    """Run the history through the workflows, today's if none are given."""
    recorder = Recorder()
    replayer = Replayer(
        workflows=workflows or RELEASED,
        data_converter=DATA_CONVERTER,
        workflow_runner=recorder,
    )
    result = await replayer.replay_workflow(history(path), raise_on_replay_failure=False)
    failure = result.replay_failure
    if failure is not None and not isinstance(failure, NondeterminismError):
        raise failure
    return Replay(recorder.commands, told(failure) if failure else None)


def history(path: Path) -> WorkflowHistory:
    """The history that a file holds."""
    return WorkflowHistory.from_json("replayed", path.read_text())


def fingerprint(path: Path) -> Path:
    """The file beside the history that holds its commands."""
    return path.with_suffix(".commands")


def objection(path: Path, replay: Replay) -> str | None:
    """What is wrong with the replay and what to do about it; None when nothing is."""
    released = fingerprint(path).read_text().splitlines()
    pairs = zip_longest(released, replay.commands, fillvalue="(no command)")
    differs = ((n, was, now) for n, (was, now) in enumerate(pairs, 1) if was != now)
    first = next(differs, None)
    if first is None and replay.failure is None:
        return None
    file = path.relative_to(Path(__file__).parents[2])
    number, was, now = first or (len(released), "(all as released)", "(all as released)")
    or_ = "" if replay.failure else OR_WRITE_ANEW.format(file=fingerprint(file))
    return (
        f"{file}: command {number} differs from the released one.\n"
        f"  released: {was}\n"
        f"  today:    {now}\n"
        + (f"  Temporal: {replay.failure}\n" if replay.failure else "")
        + WHAT_TO_DO.format(harm="break" if replay.failure else "act otherwise", or_=or_)
    )


def write_missing(folder: Path) -> None:
    """Write the fingerprint of each history that has none."""
    for path in sorted(folder.rglob("*.json")):
        if not fingerprint(path).exists():
            replay = asyncio.run(replayed(path))
            assert replay.failure is None, replay.failure
            fingerprint(path).write_text("\n".join(replay.commands) + "\n")


def line(command: WorkflowCommand) -> str:
    """A command as one line: its kind, its name and what it says; empty for one that is none."""
    kind = command.WhichOneof("variant") or "unknown"
    said = getattr(command, kind)
    words: list[str] = [kind]
    match kind:
        case "schedule_activity" | "schedule_local_activity":
            words += [said.activity_type, *map(_value, said.arguments)]
        case "start_timer":
            words.append(f"{said.start_to_fire_timeout.ToMilliseconds()} ms")
        case "upsert_workflow_search_attributes":
            fields = said.search_attributes.indexed_fields
            words += [f"{name}={_value(fields[name])}" for name in sorted(fields)]
        case "set_patch_marker":
            words.append(said.patch_id)
        case "complete_workflow_execution":
            words.append(_value(said.result))
        case "update_response":
            words.append(said.WhichOneof("response"))
            if said.HasField("completed"):
                words.append(_value(said.completed))
        case "continue_as_new_workflow_execution":
            words += [said.workflow_type, *map(_value, said.arguments)]
        case "modify_workflow_properties":
            words += sorted(said.upserted_memo.fields)
    return " ".join(words)


def _value(payload: Payload) -> str:
    if not payload.data:
        return "null"
    return json.dumps(_said(json.loads(payload.data)), sort_keys=True, ensure_ascii=False)


def _said(value: Any) -> Any:
    """Without what says nothing: a field that is added with a default changes no command."""
    if isinstance(value, dict):
        return {name: _said(one) for name, one in value.items() if one is not None}
    return value


if __name__ == "__main__":
    for each in sorted(Path(__file__).parent.glob("*histories")):
        write_missing(each)
