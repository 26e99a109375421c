"""What only the HTTP door can refuse: headers and cursors; the rest is in the domain's tree.

PayflowError
├── IdempotencyKeyRequired, IdempotencyKeyInvalid
└── CursorInvalid
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
