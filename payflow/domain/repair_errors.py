"""Why an operator's verb is refused; nothing was done then.

Conflict
├── TransferPaused, LegNotPending, SecondOperatorRequired, OperatorUnknown, ActIdReused
└── VerbRefused
"""

from payflow.domain.errors import Conflict


class TransferPaused(Conflict):
    """An operator has paused the transfer; a retry would undo that unawares."""

    code = "transfer_paused"

    def __init__(self, transfer_id: str) -> None:
        super().__init__(f"Transfer {transfer_id} is paused; resume it first.")


class LegNotPending(Conflict):
    """The leg to be resolved is not the one the transfer waits for."""

    code = "leg_not_pending"

    def __init__(self, transfer_id: str, leg: str, pending: str | None) -> None:
        waits_for = f"it waits for its {pending}" if pending else "it waits for nothing"
        super().__init__(f"Transfer {transfer_id} does not wait for its {leg}: {waits_for}.")


class SecondOperatorRequired(Conflict):
    """This is proposed already, and this caller cannot approve it."""

    code = "second_operator_required"

    def __init__(self, transfer_id: str) -> None:
        super().__init__(
            f"This is proposed for transfer {transfer_id}; another operator must approve it by the "
            "same call to the PayFlow API or `payflow transfers resolve`."
        )


class OperatorUnknown(Conflict):
    """Who asks in Temporal is none of our operators."""

    code = "operator_unknown"

    def __init__(self, named: str) -> None:
        super().__init__(
            f"There is no active operator {named!r}: give the id, or the email address you sign "
            "in to PayFlow with."
        )


class ActIdReused(Conflict):
    """The id of an Update is that of another act on record."""

    code = "act_id_reused"

    def __init__(self, act_id: str) -> None:
        super().__init__(f"Another action is recorded as {act_id}; send yours with a new id.")


class VerbRefused(Conflict):
    """A verb was refused where the saga runs, with the code and words of one of the above."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
