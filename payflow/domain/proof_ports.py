"""The always-on proof as ports: who runs a pass, and who reads what the passes found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from payflow.domain.errors import PayflowError, Trouble

Statement = Mapping[str, Any]  # a signed proof, as it was signed


class ProofPending(Trouble):
    """No pass has ended yet."""

    code = "proof_pending"

    def __init__(self) -> None:
        super().__init__("The books are being proved for the first time; ask again in a minute.")


class ProofOvertaken(PayflowError):
    """Another pass moved the checkpoint meanwhile; nothing of this one counts."""

    code = "proof_overtaken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pass came to."""

    number: int
    status: str
    violations: int


class Prover(Protocol):
    """Runs passes."""

    async def prove(self, *, full: bool = False) -> Verdict:
        """Fold what was committed since the last pass, hold it against the books, sign, freeze.

        ``full`` folds everything from the beginning.

        Raises:
            ProofOvertaken: run it again. BooksUnavailable: MongoDB does not answer.
        """
        ...


class Proofs(Protocol):
    """The proofs that were given, newest last; each names the hash of the one before it."""

    async def latest(self) -> Statement:
        """The last one.

        Raises:
            ProofPending: there is none yet.
        """
        ...

    async def before(self, number: int | None, limit: int) -> Sequence[Statement]:
        """Those before this number (None: from the last), newest first."""
        ...
