"""Why an operator's verb is refused; nothing was done then.

Conflict
└── TransferPaused, LegNotPending, SecondOperatorRequired, OperatorUnknown, VerbRefused
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
    """Who proposed it asks again; somebody else has to agree."""

    code = "second_operator_required"

    def __init__(self, transfer_id: str) -> None:
        super().__init__(
            f"You have proposed this for transfer {transfer_id}; another operator must approve it "
            "by the same call."
        )


class OperatorUnknown(Conflict):
    """Who asks in Temporal is none of our operators."""

    code = "operator_unknown"

    def __init__(self, named: str) -> None:
        super().__init__(
            f"There is no active operator {named!r}: give the id, or the email address you sign "
            "in to PayFlow with."
        )


class VerbRefused(Conflict):
    """A verb was refused where the saga runs, with the code and words of one of the above."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
