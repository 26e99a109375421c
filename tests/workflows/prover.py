"""A prover that does as it is told."""

from dataclasses import dataclass, field

from payflow.domain.errors import BooksUnavailable
from payflow.domain.proof_ports import Verdict

VERDICT = Verdict(number=7, status="ok", violations=0)


@dataclass
class TroubledProver:
    """Fails so many times, then comes to a verdict; notes what it was asked."""

    failures: int = 0
    asked: list[bool] = field(default_factory=list)

    async def prove(self, *, full: bool = False) -> Verdict:
        """Come to the verdict, when the books are there."""
        self.asked.append(full)
        if len(self.asked) <= self.failures:
            raise BooksUnavailable
        return VERDICT
