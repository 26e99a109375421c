"""What only the HTTP door can refuse: headers and cursors; the rest is in the domain's tree.

PayflowError
├── IdempotencyKeyRequired, IdempotencyKeyInvalid
├── CursorInvalid, PositionInvalid
└── TooManyStreams, TooManyOwnStreams
"""

from payflow.domain.errors import PayflowError


class IdempotencyKeyRequired(PayflowError):
    """A request that moves money came without a key."""

    code = "idempotency_key_required"

    def __init__(self) -> None:
        super().__init__("Send an Idempotency-Key header, a fresh one for each new request.")


class IdempotencyKeyInvalid(PayflowError):
    """The key is not one we can keep."""

    code = "idempotency_key_invalid"

    def __init__(self) -> None:
        super().__init__("One Idempotency-Key of 1 to 255 printable ASCII characters, please.")


class CursorInvalid(PayflowError):
    """The cursor is none that this list gave out."""

    code = "cursor_invalid"
    field = "cursor"

    def __init__(self) -> None:
        super().__init__("The cursor is none of this list's; start again without it.")


class PositionInvalid(PayflowError):
    """The position lies beyond the end of the feed."""

    code = "position_invalid"

    def __init__(self, field: str, last: int) -> None:
        super().__init__(f"The feed has come to position {last}; there is nothing to go on from.")
        self.field = field


class TooManyStreams(PayflowError):
    """This process serves as many event streams as it may."""

    code = "too_many_streams"

    def __init__(self) -> None:
        super().__init__("Too many event streams are open here; try again, or read /v1/events.")


class TooManyOwnStreams(PayflowError):
    """The account, or the address, has its share of this process's event streams."""

    code = "too_many_own_streams"

    def __init__(self, limit: int, whose: str) -> None:
        super().__init__(
            f"{whose} has {limit} event streams open here; close one, or read /v1/events."
        )
