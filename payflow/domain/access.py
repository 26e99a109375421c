"""What holds now of accounts, sessions and API keys, read for many callers at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from payflow.domain.errors import PayflowError
from payflow.domain.users import Role


class RoleChanged(PayflowError):
    """A stream ends: its caller's role is another than when it began."""

    code = "role_changed"

    def __init__(self) -> None:
        super().__init__("Your role has changed; open the stream again.")


@dataclass(frozen=True, slots=True)
class AccessState:
    """What was found of some users and of the sessions and keys they came with.

    ``roles`` has the role of each user that exists and can be read; ``deactivated`` those of them
    that may not sign in; ``revoked`` the sessions and keys that have ended.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    deactivated: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()


class AccessRecords(Protocol):
    """Reads what decides whether callers may go on."""

    async def read(self, user_ids: Collection[str], session_ids: Collection[str]) -> AccessState:
        """The state of these users, and of these sessions and API keys, in at most three queries.

        Raises:
            BooksUnavailable: MongoDB does not answer.
        """
        ...
