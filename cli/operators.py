"""``payflow operator create``: makes people who repair sagas."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pymongo.errors import PyMongoError

from cli.configuration import settings_of_running_stack
from cli.errors import UNREACHABLE, CliError
from payflow.auth.passwords import hash_password
from payflow.domain.credentials import (
    new_name,
    new_password,
    normalized_email,
    without_control,
)
from payflow.domain.errors import EmailTaken, Trouble
from payflow.domain.repair_ports import COMMAND_LINE, OperatorAct
from payflow.domain.users import Role, User
from payflow.settings import Settings
from payflow.storage.factory import open_storage
from payflow.storage.uncancelled import Calls

REACH_WITHIN_S = 15.0  # hashing takes a tenth of a second; the rest is for a MongoDB that starts


@dataclass(frozen=True, slots=True)
class NewOperator:
    """Who is to be an operator; ``promote``: also a user who has registered.

    ``reason`` is kept in the audit log.
    """

    email: str
    password: str = field(repr=False)
    name: str = "Operator"
    promote: bool = False
    reason: str = ""


async def create_operator(settings: Settings, new: NewOperator) -> User:
    """Make an operator, or with ``promote`` make an operator of the user with that address.

    Raises:
        EmailTaken: the address is a user's and ``promote`` is not set.
        ValueError: what registration and sign-in would refuse as well.
    """
    email = normalized_email(new.email)
    act = OperatorAct(COMMAND_LINE, "create_operator", email, new.reason)
    async with open_storage(settings) as storage:
        known = await storage.accounts.find_by_email(email) if new.promote else None
        if known is not None:
            promotion = replace(act, verb="promote", subject_id=known.id)
            return await storage.accounts.set_role(known.id, Role.OPERATOR, promotion)
        return await storage.accounts.create_operator(
            email=email,
            password_hash=await hash_password(new_password(new.password)),
            name=new_name(new.name),
            act=act,
        )


async def create(new: NewOperator) -> str:
    """Make the operator on the running stack; what to tell the person who asked.

    Raises:
        CliError: the address is taken, or the stack does not answer.
    """
    _check_form(new)
    settings = settings_of_running_stack()
    try:
        async with asyncio.timeout(REACH_WITHIN_S):
            user = await Calls().run(create_operator(settings, new))
    except EmailTaken:
        raise CliError(
            f"{new.email} is a user already; --promote makes an operator of them, "
            "with the password they have."
        ) from None
    except (Trouble, PyMongoError, OSError, TimeoutError):
        raise CliError(
            "The stack does not answer: is it running? `make up` starts it.", UNREACHABLE
        ) from None
    return f"{user.email} is an operator ({user.id})."


def _check_form(new: NewOperator) -> None:
    """The rules of registration and sign-in, before anything is asked of the stack."""
    rules: dict[str, tuple[Callable[[str], str], str]] = {
        "email": (normalized_email, new.email),
        "password": (new_password, new.password),
        "name": (new_name, new.name),
        "reason": (without_control, new.reason),
    }
    for option, (rule, text) in rules.items():
        try:
            rule(text)
        except ValueError as error:
            raise CliError(f"--{option} {error}.") from None
