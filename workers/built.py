"""What all our workers have in common, whatever their queue."""

from typing import Unpack

from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerConfig

from temporal.policies import GRACEFUL_SHUTDOWN, HEARD_EVERY, STICKY_TIMEOUT


def worker(**of_its_own: Unpack[WorkerConfig]) -> Worker:
    """A worker of ours, with what is its own: the client, the queue, what it runs, its bounds.

    Workflow code runs without the sandbox, which costs 15 ms a transfer by re-importing the
    modules for each run; the tests run the same code inside it.
    """
    common = WorkerConfig(
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        max_heartbeat_throttle_interval=HEARD_EVERY,
        graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
    )
    return Worker(**common | of_its_own)  # a client is among its own
