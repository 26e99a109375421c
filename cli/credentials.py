"""The passwords of the embedded servers: generated once, kept in the data folder for its owner."""

import base64
import hashlib
import json
import secrets
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cli.files import write_whole
from cli.folder import DataFolder

USER = "payflow"
LOOPBACK_UI = "127.0.0.1"
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the servers ask for; never part of a command line, which every account can read.

    ``mongo_key`` is the key file of the replica set: its members, and we while we prepare them,
    sign in with it. ``temporal_ui_host`` is where the Temporal UI listens: it answers any ``Host``,
    so a web page whose name is made to resolve to a known loopback address could operate it.
    """

    mongo_password: str = field(repr=False)
    mongo_key: str = field(repr=False)
    redis_password: str = field(repr=False)
    temporal_ui_host: str

    def mongo_url(self, address: str, options: str) -> str:
        """MongoDB at ``host:port``, with the user and the password."""
        return f"mongodb://{USER}:{self.mongo_password}@{address}/?{options}"

    def redis_url(self, address: str) -> str:
        """Redis at ``host:port``, with the user and the password."""
        return f"redis://{USER}:{self.redis_password}@{address}/0"

    @property
    def redis_password_hash(self) -> str:
        """What Redis's access list holds instead of the password."""
        return hashlib.sha256(self.redis_password.encode()).hexdigest()


def credentials_of(folder: DataFolder) -> Credentials:
    """Those of the folder; generated when it has none, or none that can be read.

    New ones lock nothing out: each start gives the servers the passwords that the folder has.
    """
    found = _read(folder.credentials)
    if found is None:
        found = _generated()
        write_whole(folder.credentials, json.dumps(asdict(found), indent=2) + "\n")
    return found


def _read(path: Path) -> Credentials | None:
    try:
        found = Credentials(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    is_whole = all(isinstance(value, str) and value for value in asdict(found).values())
    return found if is_whole else None


def _generated() -> Credentials:
    return Credentials(
        mongo_password=secrets.token_urlsafe(_RANDOM_BYTES),
        mongo_key=base64.b64encode(secrets.token_bytes(_RANDOM_BYTES)).decode(),
        redis_password=secrets.token_urlsafe(_RANDOM_BYTES),
        temporal_ui_host=_unguessable_loopback(),
    )


def _unguessable_loopback() -> str:
    """One of Linux's 16 million loopback addresses; macOS has one unless it is configured."""
    if sys.platform != "linux":
        return LOOPBACK_UI
    return ".".join(("127", *(str(1 + secrets.randbelow(254)) for _ in range(3))))
