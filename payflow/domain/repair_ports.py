"""What operators' acts need from the world: a log of them, and a look at the books."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from payflow.domain.ledger import LegRequest
from payflow.domain.repairs import Act, Begun, PlannedEntry, Resolve, Verb

# The actor of what is done with `payflow` on the machine itself, where nobody signs in.
COMMAND_LINE = "command_line"


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """What an operator sets out to do, to what, and why.

    A port that is given one writes its line in the transaction of the act itself, so that neither
    is without the other.
    """

    actor_id: str
    verb: str
    subject_id: str
    reason: str
    request_id: str | None = None


class AuditLog(Protocol):
    """Operators' acts: a line before the act, completed once with what came of it."""

    async def begin(self, act: OperatorAct) -> str:
        """Write the act down, with the time, before it is done; the line's id (``act_…``)."""
        ...

    async def finish(self, act_id: str, outcome: str) -> None:
        """Add what came of it, unless that is written already."""
        ...

    async def refused(self, act: OperatorAct, code: str) -> None:
        """Write down that the act was refused: nothing was done."""
        ...


class ActionProofs(Protocol):
    """Proofs that the API, which authenticates operators, asks for an act."""

    def prove(self, act: Act) -> str:
        """The proof of this act: of every field of it."""
        ...

    def holds(self, act: Act) -> bool:
        """Whether ``act.proof`` is the proof of exactly this act; a missing one is not."""
        ...


class Repairs(Protocol):
    """Operators' acts on transfers, on record before they are done."""

    async def begin(self, act: Act, *, proven: bool) -> Begun:
        """Write the act down, in the audit log and with the transfer's own; once for one id.

        ``proven``: the API vouches for the operator. An act that is not proven is recorded with
        the actor ``temporal`` and under an id of its own; the operator it names is a claim.

        A ``resolve`` is a proposal at first. The same from another operator within a day approves
        it, if it is proven, and if an operator who proposed it is one still.

        Raises:
            OperatorUnknown, SecondOperatorRequired: refused, which is in the audit log as well.
            ActIdReused: another act has this id.
        """
        ...

    async def authorizes(self, leg: LegRequest) -> bool:
        """Whether an act on record allows what the request would write in place of the leg.

        A tombstone needs a ``refund`` or a ``resolve`` by its actor, a settlement outside a
        ``resolve`` by both of its operators, each with the same reason and evidence.
        """
        ...

    async def finish(self, act_id: str, outcome: str) -> None:
        """Write down what came of it."""
        ...

    async def preview(
        self, verb: Verb, transfer_id: str, resolve: Resolve | None
    ) -> Sequence[PlannedEntry]:
        """What the verb would post, read in one snapshot of the books; nothing is written.

        Raises:
            NotFound, TransferTerminal, NothingToRetry, LegNotPending, IllegalMove: it would not.
        """
        ...
