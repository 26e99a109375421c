"""Becomes the command it is given, once the kernel has promised to end it with its starter.

Run as a script, by path: ``launch.py STARTER_PID SIGNAL COMMAND [ARGUMENT...]``. The exec keeps
the process id, so the pid the starter sees is the one that does the work. A ``preexec_fn`` would
save a few milliseconds and may deadlock in a starter that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; kept across exec


def die_with(starter_pid: int, death_signal: int) -> None:
    """Ask for the signal, and leave at once if the starter died before the asking."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != starter_pid:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Replace this process with the command."""
    starter_pid, death_signal, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if sys.platform == "linux":
        die_with(starter_pid, death_signal)
    # Python ignores SIGPIPE for itself; what is ignored stays ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # The starter's own argv, no shell.
    os.execv(command[0], command)  # noqa: S606  # nosec B606


if __name__ == "__main__":
    main(sys.argv[1:])
