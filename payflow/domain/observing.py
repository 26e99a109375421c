"""What the rooms tell whoever observes them, as a port: they know of no metrics and no traces.

``payflow.observability`` implements it; ``Unobserved`` is for those whom nobody watches.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from payflow.domain.ledger import JournalEntry
from payflow.domain.movements import Movement
from payflow.domain.ports import Probe
from payflow.domain.transfers import Transfer, TransferStatus


class WalletAct(StrEnum):
    """What is done to a wallet itself."""

    OPENED = "opened"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a step: ``number`` counts from 1 in its lane, ``seconds`` is how long."""

    step: str
    lane: str
    number: int
    seconds: float
    answered: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; ``route`` is the template, never the path."""

    method: str
    route: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """One attempt at a delivery; ``arrived_after_s`` from the event on, when it was taken."""

    seconds: float
    arrived_after_s: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the subscriber has taken the event."""
        return self.arrived_after_s is not None


@dataclass(frozen=True, slots=True)
class Proven:
    """The last proof of the books, how old it is, and whether it still says anything of now."""

    status: str
    violations: int
    transfers: int
    age_s: float
    is_stale: bool
    oldest_in_transit_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """The unfinished transfers of all processes, as the books have them, and their proof."""

    in_flight: Mapping[TransferStatus, int]
    parked: int
    proof: Proven | None = None


class Census(Protocol):
    """Counts what is under way."""

    async def count(self) -> Standing:
        """The numbers now, or those of a few seconds ago; ``BooksUnavailable``."""
        ...


class Observer(Protocol):
    """Is told what happened, once it has; never raises, never waits."""

    def accepted(self, transfer: Transfer) -> None:
        """A new transfer was committed."""
        ...

    def posted(self, entries: Iterable[JournalEntry]) -> None:
        """These legs were committed, each for the first time."""
        ...

    def moved(self, movement: Movement) -> None:
        """A deposit or withdrawal was committed."""
        ...

    def wallet_changed(self, act: WalletAct) -> None:
        """A wallet was opened, frozen, unfrozen or closed."""
        ...

    def posting(self, traceparents: Sequence[str | None]) -> AbstractContextManager[None]:
        """Around one transaction of a group: a ``traceparent`` for each of its legs.

        An exception that passes through is a conflict or a failure of the whole group.
        """
        ...

    def conflicted(self) -> None:
        """A group met another's and will be tried again."""
        ...

    def tried(self, attempt: Attempt) -> None:
        """An attempt at a step ended."""
        ...

    def answered(self, answer: Answer) -> None:
        """A request was answered."""
        ...

    def rate_limited(self, limit: str) -> None:
        """Somebody has used the limit of that name up, and was refused."""
        ...

    def overloaded(self) -> None:
        """A request was refused because too many are under way."""
        ...

    def bears(self, limit: int) -> None:
        """So many requests may be worked on at once in this process, for now."""
        ...

    def leads(self, *, now: bool) -> None:
        """This process's relay has become the active one, or is it no longer."""
        ...

    def placed(self, committed_at: Sequence[datetime]) -> None:
        """Events, committed then, have got their places in the feed."""
        ...

    def delivering(self, traceparent: str | None) -> AbstractContextManager[None]:
        """Around one request to a subscriber, for an event of that trace."""
        ...

    def delivered(self, delivered: Delivered) -> None:
        """That request has ended."""
        ...

    def task_failed(self, task: str) -> None:
        """A task that a process does again and again has failed, and is done again."""
        ...

    def traceparent(self) -> str | None:
        """Where the work under way stands in its trace (W3C Trace Context), if it is traced."""
        ...

    def look_at(self, census: Census | None = None, probes: Sequence[Probe] = ()) -> None:
        """What to ask when somebody reads the page."""
        ...

    async def page(self) -> bytes:
        """All that was observed, in Prometheus' text format 0.0.4."""
        ...


class Unobserved:
    """Nobody looks."""

    def accepted(self, transfer: Transfer) -> None:
        """Nobody looks."""

    def posted(self, entries: Iterable[JournalEntry]) -> None:
        """Nobody looks."""

    def moved(self, movement: Movement) -> None:
        """Nobody looks."""

    def wallet_changed(self, act: WalletAct) -> None:
        """Nobody looks."""

    def posting(self, traceparents: Sequence[str | None]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nobody looks."""
        return nullcontext()

    def conflicted(self) -> None:
        """Nobody looks."""

    def tried(self, attempt: Attempt) -> None:
        """Nobody looks."""

    def answered(self, answer: Answer) -> None:
        """Nobody looks."""

    def rate_limited(self, limit: str) -> None:
        """Nobody looks."""

    def overloaded(self) -> None:
        """Nobody looks."""

    def bears(self, limit: int) -> None:
        """Nobody looks."""

    def leads(self, *, now: bool) -> None:
        """Nobody looks."""

    def placed(self, committed_at: Sequence[datetime]) -> None:
        """Nobody looks."""

    def delivering(self, traceparent: str | None) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nobody looks."""
        return nullcontext()

    def delivered(self, delivered: Delivered) -> None:
        """Nobody looks."""

    def task_failed(self, task: str) -> None:
        """Nobody looks."""

    def traceparent(self) -> str | None:
        """Nothing is traced."""
        return None

    def look_at(self, census: Census | None = None, probes: Sequence[Probe] = ()) -> None:
        """Nobody looks."""

    async def page(self) -> bytes:
        """Nothing."""
        return b""


UNOBSERVED = Unobserved()
