"""People who hold wallets, operators who repair sagas, and the sessions they sign in with."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a user may do: hold wallets, or also look into and repair everything."""

    USER = "user"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class User:
    """A person; ``email`` is lower case. The password's hash never travels with it."""

    id: str
    email: str
    name: str
    created_at: datetime
    phone: str | None = None
    role: Role = Role.USER
    active: bool = True


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks; every question to a port carries one."""

    user_id: str
    role: Role

    @property
    def is_operator(self) -> bool:
        """Whether every object may be read and the repair verbs be used."""
        return self.role is Role.OPERATOR


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A stored refresh token, known by its hash only.

    All tokens that descend from one login share ``family_id``; presenting a spent one again
    revokes the family (RFC 9700 §4.14.2).
    """

    token_hash: str
    family_id: str
    user_id: str
    expires_at: datetime
    created_at: datetime
