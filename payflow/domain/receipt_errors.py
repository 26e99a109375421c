"""Why there is no receipt.

Conflict
└── TransferNotTerminal
"""

from payflow.domain.errors import Conflict


class TransferNotTerminal(Conflict):
    """A receipt tells of an end, and the transfer has none yet."""

    code = "transfer_not_terminal"

    def __init__(self, transfer_id: str, status: str) -> None:
        super().__init__(f"Transfer {transfer_id} has not ended ({status}); ask again when it has.")
