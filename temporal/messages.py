"""What travels to and from our workflows: frozen, one argument in, one value out."""

from dataclasses import dataclass
from enum import StrEnum

# The refusal of a verb whose ``until`` is over; its detail is the time by Temporal's clock.
VERB_LAPSED = "verb_lapsed"


@dataclass(frozen=True, slots=True)
class TransferStory:
    """What a transfer's workflow is started with; everything else is in the books."""

    transfer_id: str
    park_after_s: int


class Ending(StrEnum):
    """How a transfer's story ended, as the books said."""

    COMPLETED = "completed"
    REFUNDED = "refunded"
    NEVER_DEBITED = "never_debited"


@dataclass(frozen=True, slots=True)
class OperatorOrder:
    """An operator's verb: who (id or email address), and why. Both are required.

    ``dry_run``: do nothing, and say what it would post. ``until``: seconds since 1970, after which
    whoever asked has been told that nobody listens, and the verb is refused; 0 for no such time.
    ``proof``: the API's, which authenticates the operator. Without it ``operator`` is a claim, and
    the actor on record is ``temporal``.
    """

    operator: str = ""
    reason: str = ""
    dry_run: bool = False
    until: float = 0.0
    proof: str = ""


@dataclass(frozen=True, slots=True)
class ResolveOrder:
    """The verb ``resolve``: of which leg (``credit``, ``refund``), and with what ``outcome``.

    ``settled_outside``: its money was brought where it belongs by other means. ``not_done``: it
    never happened (a credit only). ``evidence`` says where that can be seen.
    """

    operator: str = ""
    reason: str = ""
    leg: str = ""
    outcome: str = ""
    evidence: str = ""
    dry_run: bool = False
    until: float = 0.0
    proof: str = ""


@dataclass(frozen=True, slots=True)
class BatchStory:
    """What a batch's workflow is started with; everything else is in the books.

    ``first`` is how many items a run before this one has seen to: it saves time, and no more.
    """

    batch_id: str
    park_after_s: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryStory:
    """What a delivery's workflow is started with: which, and the seconds until its next attempt."""

    delivery_id: str
    wait_s: float
