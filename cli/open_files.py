"""How many files, which connections are as well, a process may have open."""

import resource

from cli.errors import CliError

# Of one process with the default limits: 600 requests, 200 connections to servers, and some
# hundreds of event streams. mongod asks for 64,000.
OPEN_FILES_AT_LEAST, OPEN_FILES_WANTED = 1_024, 64_000


def raise_open_files_limit() -> None:
    """Raise the limit of this process, and of those it starts, as far as it may go.

    Raises:
        CliError: it may not go as far as is needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_WANTED)
    if highest < OPEN_FILES_AT_LEAST:
        raise CliError(
            f"Only {hard} files may be open here and PayFlow needs {OPEN_FILES_AT_LEAST}: "
            f"raise the hard limit (`ulimit -Hn`, or LimitNOFILE of the service)."
        )
    for wanted in (highest, OPEN_FILES_AT_LEAST):  # macOS refuses more than its own highest
        if soft != resource.RLIM_INFINITY and soft < wanted:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (ValueError, OSError):
                continue
        return
