"""``payflow operator create``: makes people who repair sagas."""

import asyncio

from email_validator import EmailNotValidError, validate_email
from pymongo.errors import PyMongoError

from cli.configuration import settings_of_running_stack
from cli.errors import UNREACHABLE, CliError
from payflow.auth.passwords import hash_password
from payflow.domain.errors import EmailTaken, Trouble
from payflow.domain.users import User
from payflow.settings import Settings
from payflow.storage.factory import open_storage
from payflow.storage.uncancelled import Calls

REACH_WITHIN_S = 15.0  # hashing takes a tenth of a second; the rest is for a MongoDB that starts


async def create_operator(
    settings: Settings, *, email: str, password: str, name: str, promote: bool = False
) -> User:
    """Make an operator, or with ``promote`` make an operator of the user with that address.

    Raises:
        EmailTaken: the address is a user's and ``promote`` is not set.
    """
    async with open_storage(settings) as storage:
        known = await storage.accounts.find_by_email(email.lower()) if promote else None
        if known is not None:
            return await storage.accounts.promote(known.email)
        return await storage.accounts.create_operator(
            email=email.lower(), password_hash=await hash_password(password), name=name
        )


async def create(*, email: str, password: str, name: str, promote: bool) -> str:
    """Make the operator on the running stack; what to tell the person who asked.

    Raises:
        CliError: the address is taken, or the stack does not answer.
    """
    _check_form(email, password)
    settings = settings_of_running_stack()
    try:
        async with asyncio.timeout(REACH_WITHIN_S):
            creating = create_operator(
                settings, email=email, password=password, name=name, promote=promote
            )
            user = await Calls().run(creating)
    except EmailTaken:
        raise CliError(
            f"{email} is a user already; --promote makes an operator of them, "
            "with the password they have."
        ) from None
    except (Trouble, PyMongoError, OSError, TimeoutError):
        raise CliError(
            "The stack does not answer: is it running? `make up` starts it.", UNREACHABLE
        ) from None
    return f"{user.email} is an operator ({user.id})."


def _check_form(email: str, password: str) -> None:
    """The rules of a registration (NIST SP 800-63B for the password)."""
    if not 8 <= len(password) <= 128:
        raise CliError("A password has 8 to 128 characters.")
    try:
        validate_email(email, check_deliverability=False)
    except EmailNotValidError as error:
        raise CliError(f"{email} is not an email address: {error}") from None
