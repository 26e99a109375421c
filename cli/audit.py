"""``payflow audit verify``: whether the audit log is as it was written."""

from pymongo.errors import PyMongoError

from cli.configuration import settings_of_running_stack
from cli.errors import UNREACHABLE, CliError
from payflow.domain.errors import Trouble
from payflow.settings import Settings
from payflow.storage.audit_verification import Head, verify_audit
from payflow.storage.connection import open_client


async def verify(known: str) -> str:
    """What to tell the person who asked.

    Raises:
        CliError: the log is not whole (exit code 1), or the stack does not answer (2).
    """
    try:
        head = Head.parse(known) if known else None
    except ValueError as error:
        raise CliError(str(error)) from None
    return await verified(settings_of_running_stack(), head)


async def verified(settings: Settings, known: Head | None) -> str:
    """The same over these settings."""
    client = open_client(settings)
    try:
        async with client:
            report = await verify_audit(client, settings.mongo_database, known)
    except (TimeoutError, Trouble, PyMongoError, OSError):
        raise CliError("The stack does not answer: is it running?", UNREACHABLE) from None
    if report.findings:
        raise CliError("The audit log is NOT as it was written:\n" + "\n".join(report.findings))
    return (
        f"The audit log is whole: {report.lines} lines.\n"
        f"Head {report.head}: keep it elsewhere, and name it next time with --head."
    )
